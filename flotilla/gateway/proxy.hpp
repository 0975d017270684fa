// The action `proxy`: forwards a request to a service and streams its answer back.
#pragma once

#include "flotilla/gateway/request_context.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

[[nodiscard]] net::Task<> proxy(const RequestContext& request, const ProxyAction& action,
                                call::WorkerService& service);

}  // namespace flotilla::gateway
