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

namespace flotilla::gateway {

class GatewayHandler final : public http::Handler {
 public:
  // `random` names traces and spans.
  GatewayHandler(call::Caller& caller, std::shared_ptr<const GatewayView> view, Random random)
      : caller_(caller), view_(std::move(view)), random_(random) {}

  // For requests that begin from now on.
  void set_view(std::shared_ptr<const GatewayView> view) { view_ = std::move(view); }

  [[nodiscard]] net::Task<> handle(http::Exchange& exchange) override;

 private:
  call::Caller& caller_;
  std::shared_ptr<const GatewayView> view_;
  Random random_;
};

}  // namespace flotilla::gateway
