// The application API of sagas: what services call on port 9901 (DESIGN 4.4).
//
//   POST /v1/sagas/{name}[?wait=5s]       start; repeatable under an Idempotency-Key; 200 ended, else 202
//   GET  /v1/sagas/{id}[?timeline=true]   one saga with every step
//   GET  /v1/sagas?name=&state=&limit=&after=
//   GET  /v1/sagas/count
//   POST /v1/sagas/{id}/cancel            body, if any: {who, why}
//   POST /v1/sagas/{id}/signal/{signal}   the body is the payload, Idempotency-Key the signal's id
//   POST /v1/callbacks/{key}              a service ends what it answered 202; Saga-Outcome says how
//
// No guard stands before it here: whoever opens the port does that (admin/core/control_guard.hpp).
// Ownership: borrows the Sagas. Threads: any loop. Limits: service.hpp; bodies kMaxPayload.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

// Where a service reports the end of an operation: this path and the key it was sent under, as the header
// Saga-Callback says. The key cannot be guessed (saga_key.hpp), so knowing it is the right to answer.
inline constexpr std::string_view kCallbackPath = "/v1/callbacks/";

class Api {
 public:
  explicit Api(Sagas& sagas) noexcept : sagas_(sagas) {}

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> start(std::string name, std::string query, http::Request request);
  [[nodiscard]] net::Task<http::Response> cancel(std::string id, http::Request request,
                                                 net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> callback(std::string key, http::Request request);

  Sagas& sagas_;
};

}  // namespace flotilla::saga
