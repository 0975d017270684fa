// One branch of a composition as it is sent: rendered once, sent again as it is.
//
// Of the client's headers a branch carries Authorization, Accept-Language and X-Request-Id; others only where
// the file names them. Ownership: lives in the branch's frame. Threads: the worker's.
#pragma once

#include <string>

#include "flotilla/call/outgoing.hpp"
#include "flotilla/gateway/core/compose_run.hpp"
#include "flotilla/gateway/request_context.hpp"

namespace flotilla::gateway {

class BranchRequest final : public call::Outgoing {
 public:
  BranchRequest(const RequestContext& request, const Branch& branch, BranchCall call);

  void append_head(std::string& out, const call::AttemptInfo& attempt) override;
  [[nodiscard]] net::Task<bool> stream_body(net::Channel&) override { co_return true; }
  [[nodiscard]] std::string stale_key() const override;

 private:
  const RequestContext& request_;
  const Branch& branch_;
  BranchCall call_;
};

}  // namespace flotilla::gateway
