// The action `compose`: several calls at once, one answer.
//
// What is called when, and what the answer is, is decided by ComposeRun (core); here the calls are made,
// each through the policies of its service. A client that leaves, or a required branch that fails, cancels
// the calls that are still running.
#pragma once

#include "flotilla/gateway/request_context.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

[[nodiscard]] net::Task<> compose(const RequestContext& request, const ComposeAction& action);

}  // namespace flotilla::gateway
