// The application API of views: what services call on port 9901 (DESIGN 4.4).
//
//   GET /v1/views/{view}/{key}            what the view says under the key: bare JSON
//   GET /v1/views/{view}?limit=&after=    {items: [{key, row?, value}], next}
//
// What may stand beside, view_answer.hpp says. No guard stands before it here: whoever opens the port does
// that. Ownership: borrows the reader. Threads: one loop's. Limits: those of view_reader.hpp.
#pragma once

#include <string_view>

#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::cqrs {

class Api {
 public:
  static constexpr std::string_view kPrefix = "/v1/views";

  explicit Api(ViewReader& reader) noexcept : reader_(reader) {}

  // Whether it answers that target.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  ViewReader& reader_;
};

}  // namespace flotilla::cqrs
