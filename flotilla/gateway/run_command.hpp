// The action `command`: the request's JSON body is a command, what came of it is the answer.
//
// What is asked and answered is that of the application API (cqrs/command_answer.hpp), so a client of the
// gateway and a service see the same. A client that leaves ends the waiting, not the command. Limits: the
// body is at most cqrs::kMaxCommand, whatever the gateway's own limit is.
#pragma once

#include "flotilla/gateway/request_context.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

[[nodiscard]] net::Task<> run_command(const RequestContext& request, const CommandAction& action);

}  // namespace flotilla::gateway
