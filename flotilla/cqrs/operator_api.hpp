// The operators' API of views, on the admin port.
//
//   GET  /api/v1/views                    {items: [...], next: null}
//   GET  /api/v1/views/{view}             one of them
//   POST /api/v1/views/{view}/rebuild     {who?}; builds it anew beside the version that is read
//
// The admin port's guard stands before it. Ownership: borrows the runner. Threads: one loop's. Limits: those
// of the file; kMaxWords.
#pragma once

#include <string_view>

#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::cqrs {

// {name, state, from, key, row, version, position, lag, rows, events, behind_since, building?, failure?}
[[nodiscard]] json::Value to_json(const ViewStatus& status);

class OperatorApi {
 public:
  static constexpr std::string_view kPrefix = "/api/v1/views";
  static constexpr std::size_t kMaxWords = 512;

  explicit OperatorApi(ViewRunner& runner) noexcept : runner_(runner) {}

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> rebuild(std::string name, std::string body);

  ViewRunner& runner_;
};

}  // namespace flotilla::cqrs
