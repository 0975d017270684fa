// The action `saga`: the request's JSON body starts a saga, its end is the answer.
//
// What is asked and answered is that of the application API (saga/api.hpp), so a client of the gateway and a
// service see the same; here 200 says that it is completed, and 409 that it ended otherwise. A client that
// leaves ends the waiting, not the saga.
// Limits: the body is at most saga::kMaxPayload, whatever the gateway's own limit is.
#pragma once

#include "flotilla/gateway/request_context.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

[[nodiscard]] net::Task<> start_saga(const RequestContext& request, const SagaAction& action);

}  // namespace flotilla::gateway
