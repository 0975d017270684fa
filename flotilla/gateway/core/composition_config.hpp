// What the file says about a composition, before its expressions and templates are compiled.
//
// For: the configuration reader, which fills it (gateway_config.hpp), and compose_plan.hpp, which compiles
// it. Threads: plain values. Limits: checked where it is compiled.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/base/time.hpp"

namespace flotilla::gateway {

// A text that is compiled later, and where it stands ("FILE:LINE:COLUMN"), so that its errors point there.
struct Text {
  std::string text = {};
  std::string where = {};
};

struct BranchConfig {
  std::string name;
  Text call;                                               // "GET user-service/users/{id}"
  std::optional<Text> body = {};                           // an expression
  std::vector<std::pair<std::string, Text>> headers = {};  // values are templates
  std::optional<Duration> timeout = {};
  bool optional = false;
  std::optional<std::string> fallback = {};  // `default`: JSON text put in the branch's place; none: null
  std::vector<std::string> after = {};
  std::string where = {};
};

struct CompositionConfig {
  std::string name;
  std::vector<BranchConfig> branches;
  std::string where = {};
};

}  // namespace flotilla::gateway
