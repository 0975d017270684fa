// Writes the access log's line of one request when the request is over, however it ends.
//
// For: GatewayHandler, in whose frame it lives; the actions tell it which service they called.
// Ownership: borrows the log, the exchange and the view. Threads: the worker's.
// Limits: with no log (nullptr) it does nothing at all; status 0 says that the client left unanswered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/call/answer.hpp"
#include "flotilla/gateway/gateway_view.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/telemetry/access_log.hpp"

namespace flotilla::gateway {

// The client's address: the nearest one in X-Forwarded-For that is no trusted proxy, if the peer is one;
// otherwise, and if the header is not a list of addresses, the last hop that is known.
[[nodiscard]] std::string_view client_of(const http::Exchange& exchange, const net::CidrSet& trusted);

class RequestLog {
 public:
  RequestLog(telemetry::AccessLog* log, http::Exchange& exchange, const GatewayView& view) noexcept
      : log_(log), exchange_(exchange), view_(view) {}
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;
  ~RequestLog() {
    if (log_ != nullptr) {
      write();
    }
  }

  // `route` must live as long as the view.
  void routed(std::string_view route, const telemetry::TraceContext& trace) noexcept {
    route_ = route;
    trace_ = trace;
  }
  // `service` must live as long as the view.
  void calls(std::string_view service) noexcept { service_ = service; }
  void called(call::Answer& answer) {
    if (log_ != nullptr) {
      attempts_ = answer.attempts;
      instance_ =
          answer.live() != nullptr ? answer.live()->instance_id() : std::string_view(answer.failed_instance);
    }
  }

 private:
  void write() const;

  telemetry::AccessLog* log_;
  http::Exchange& exchange_;
  const GatewayView& view_;
  telemetry::TraceContext trace_;
  std::string_view route_;
  std::string_view service_;
  std::string instance_;
  std::uint32_t attempts_ = 0;
};

}  // namespace flotilla::gateway
