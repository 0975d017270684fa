// The operators' API of sagas, on the admin port: the same views as the application API, and the verbs of a
// person, who says who and why.
//
//   GET  /api/v1/sagas?name=&state=&limit=&after=
//   GET  /api/v1/sagas/count
//   GET  /api/v1/sagas/{id}[?timeline=true]
//   POST /api/v1/sagas/{id}/cancel            {who, why}
//   POST /api/v1/sagas/{id}/signal/{signal}
//   POST /api/v1/sagas/{id}/suspend|resume|retry|set-result|forgive|abort|fail|migrate
//        {who, why, step?, expected_seq?, result (of set-result; not of an undo), version? (of migrate)}
//
// A verb is durable, with who and why, before its answer: the saga as it is then. `expected_seq` is the `seq`
// of the saga that the person saw; 409 if it has moved on. Every verb is logged with the address it came
// from. The admin port's guard stands before it. Ownership: borrows the Sagas. Threads: any loop. Limits:
// service.hpp.
#pragma once

#include <string>

#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

class OperatorApi {
 public:
  static constexpr std::string_view kPrefix = "/api/v1/sagas";

  explicit OperatorApi(Sagas& sagas) noexcept : sagas_(sagas) {}

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> signal(std::string id, std::string name, http::Request request,
                                                 net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> cancel(std::string id, http::Request request,
                                                 net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> operate(std::string id, Verb verb, http::Request request,
                                                  net::SocketAddress peer);

  Sagas& sagas_;
};

}  // namespace flotilla::saga
