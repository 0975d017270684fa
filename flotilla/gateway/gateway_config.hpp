// What the file says about gateways and compositions (DESIGN 4.3), before expressions and templates in it
// are compiled.
//
// For: the configuration reader, which fills it, and gateway/snapshot.hpp, which compiles it. Every text that
// is compiled later stands beside its `where` ("FILE:LINE:COLUMN"), so that its errors point into the file.
// Threads: plain values. Limits: checked where the file is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/strong.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/gateway/core/composition_config.hpp"
#include "flotilla/gateway/core/router.hpp"
#include "flotilla/http/core/head.hpp"

namespace flotilla::gateway {

struct ProxyConfig {
  ServiceName service;
  std::string strip_prefix;  // taken off the path; empty: the path is kept
  bool preserve_host = false;
  std::string where;
};

struct ComposeConfig {
  std::string composition;
  std::vector<std::string> only;  // branches to run and show; empty: all
  std::optional<Text> shape;      // an expression over {branch: body}
  std::string where;
};

struct SagaConfig {
  std::string saga;
  Duration wait{0};  // for the end; then 202
  std::string where;
};

struct ViewConfig {
  std::string view;
  std::optional<Text> key;  // a template: `{name}` is a route parameter; nothing: all rows
  std::string where;
};

struct CommandConfig {
  std::string command;
  std::string where;
};

struct RespondConfig {
  std::uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct RedirectConfig {
  Text to;  // a template: `{name}` is a route parameter
  std::uint16_t status = 302;
};

using ActionConfig = std::variant<ProxyConfig, ComposeConfig, SagaConfig, CommandConfig, ViewConfig,
                                  RespondConfig, RedirectConfig>;

struct RouteConfig {
  RouteMatch match;
  ActionConfig action;
};

struct GatewayLimits {
  http::HeadLimits head;  // `header`
  std::uint64_t body = std::uint64_t{10} * 1024 * 1024;
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(60);
  Duration idle = std::chrono::seconds(75);
  std::uint32_t connections = 16'000;
};

struct GatewayConfig {
  std::string name;
  std::string listen;  // "127.0.0.1:8000"
  GatewayLimits limits;
  std::vector<RouteConfig> routes;
  std::string where;
};

}  // namespace flotilla::gateway
