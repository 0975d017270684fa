// The gateway on one worker: finds the route of each request and runs its action.
//
// Ownership: borrows the caller (policies) of its worker; requests in flight share the view.
// Threads: the worker's. Limits: CompiledGateway::limits.
#pragma once

#include <memory>

#include "flotilla/base/random.hpp"
#include "flotilla/call/caller.hpp"
#include "flotilla/gateway/gateway_view.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/telemetry/access_log.hpp"

namespace flotilla::gateway {

class GatewayHandler final : public http::Handler {
 public:
  // `random` names traces and spans. `access_log` may be nullptr: nothing is logged.
  GatewayHandler(call::Caller& caller, std::shared_ptr<const GatewayView> view, Random random,
                 telemetry::AccessLog* access_log)
      : caller_(caller), view_(std::move(view)), random_(random), access_log_(access_log) {}

  // For requests that begin from now on.
  void set_view(std::shared_ptr<const GatewayView> view) { view_ = std::move(view); }

  [[nodiscard]] net::Task<> handle(http::Exchange& exchange) override;

 private:
  call::Caller& caller_;
  std::shared_ptr<const GatewayView> view_;
  Random random_;
  telemetry::AccessLog* access_log_;
};

}  // namespace flotilla::gateway
