// The operators' API of the subjects of personal data, on the admin port.
//
//   GET  /api/v1/subjects/{id}         {subject, has_key, erased}: whether data of it can be read
//   POST /api/v1/subjects/{id}/erase   {who, why}: erases it; 200 once nothing of it is left, 202 while
//                                      something is, which `waits_for` names: ask again
//
// The admin port's guard stands before it. Ownership: borrows the erasure. Threads: one loop's. Limits: those
// of erasure.hpp.
#pragma once

#include <string_view>

#include "flotilla/events/erasure.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class SubjectApi {
 public:
  static constexpr std::string_view kPrefix = "/api/v1/subjects";

  explicit SubjectApi(Erasure& erasure) noexcept : erasure_(erasure) {}

  // Whether the target is one of its paths.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;
  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  Erasure& erasure_;
};

}  // namespace flotilla::events
