// The action `view`: what a view says under a key of the request, or its rows a page at a time.
//
// What is asked and answered is that of the application API (cqrs/view_answer.hpp), so a client of the
// gateway and a service see the same. Limits: those of cqrs/view_reader.hpp.
#pragma once

#include "flotilla/gateway/request_context.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::gateway {

[[nodiscard]] net::Task<> read_view(const RequestContext& request, const ViewAction& action);

}  // namespace flotilla::gateway
