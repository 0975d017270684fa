// What an action knows about the request it answers.
//
// Ownership: lives in the handler's coroutine frame; views point into the request and the router.
// Threads: the worker's.
#pragma once

#include <memory>
#include <string_view>

#include "flotilla/call/caller.hpp"
#include "flotilla/gateway/gateway_view.hpp"
#include "flotilla/gateway/request_log.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::gateway {

struct RequestContext {
  http::Exchange& exchange;
  RequestLog& log;
  call::Caller& caller;
  const GatewayView& view;
  const GatewayRoute& route;
  const Captures& captures;
  std::string_view path;          // normalised
  bool trusted = false;           // the peer is one of trusted_proxies
  Instant deadline = kNever;      // inherited from a trusted peer
  telemetry::TraceContext trace;  // this hop's span: what services see as their parent
  std::string_view tracestate;    // of the trace that is continued; empty: a new one, or none received
};

// Answers a refused or failed call as problem+json.
void answer_refusal(http::Exchange& exchange, const call::Refusal& refusal, std::string_view service);

// Answers with a response that is whole.
void answer_whole(http::Exchange& exchange, const http::Response& response);

}  // namespace flotilla::gateway
