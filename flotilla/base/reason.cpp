#include "flotilla/base/reason.hpp"

namespace flotilla {

std::string_view title(Reason reason) noexcept {
  switch (reason) {
    case Reason::no_route:
      return "No route matches this request";
    case Reason::not_found:
      return "No such thing";
    case Reason::method_not_allowed:
      return "The path is known, the method is not";
    case Reason::no_instance:
      return "The service has no healthy instance";
    case Reason::circuit_open:
      return "The service's circuit breaker is open";
    case Reason::bulkhead_full:
      return "The service's bulkhead is full";
    case Reason::overloaded:
      return "Too much work at once";
    case Reason::rate_limited:
      return "Too many requests";
    case Reason::connect_failure:
      return "No connection to the service";
    case Reason::reset:
      return "The service closed the connection before it answered";
    case Reason::bad_answer:
      return "The service's answer is not valid";
    case Reason::timeout:
      return "The service did not answer in time";
    case Reason::malformed:
      return "The request cannot be parsed";
    case Reason::invalid:
      return "The request does not have the expected form";
    case Reason::refused:
      return "The request was refused";
    case Reason::key_reused:
      return "The idempotency key was used with another body";
    case Reason::too_large:
      return "The request is too large";
    case Reason::conflict:
      return "The thing changed meanwhile";
    case Reason::unauthenticated:
      return "Credentials are required";
    case Reason::forbidden:
      return "Not allowed";
    case Reason::slow_request:
      return "The request took too long to arrive";
    case Reason::unsupported:
      return "Not supported";
    case Reason::behind:
      return "The view has not seen this position yet";
    case Reason::store_unavailable:
      return "The store cannot be written now";
    case Reason::draining:
      return "The process is shutting down";
  }
  return "";
}

}  // namespace flotilla
