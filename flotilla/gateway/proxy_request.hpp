// A client's request as it is forwarded: head rewritten per attempt, body replayed or streamed.
//
// A body that has arrived already, or is declared to be at most kReplayed bytes long, is kept and can be sent
// again; a longer one is streamed piece by piece with back-pressure and can be sent once.
// Ownership: lives in the proxy's frame, views the exchange. Threads: the worker's.
// Limits: kReplayed bytes of body in memory.
#pragma once

#include <optional>
#include <string>

#include "flotilla/call/outgoing.hpp"
#include "flotilla/gateway/request_context.hpp"

namespace flotilla::gateway {

class ProxyRequest final : public call::Outgoing {
 public:
  static constexpr std::size_t kReplayed = std::size_t{64} * 1024;

  ProxyRequest(const RequestContext& request, const ProxyAction& action);

  // For a request with a body: takes in as much of it as shall be replayable. False: it failed (failure()).
  [[nodiscard]] net::Task<bool> prepare();
  [[nodiscard]] const std::optional<http::BodyFailure>& failure() const noexcept { return failure_; }

  void append_head(std::string& out, const call::AttemptInfo& attempt) override;
  [[nodiscard]] net::Task<bool> stream_body(net::Channel& to) override;
  [[nodiscard]] std::string stale_key() const override;

 private:
  void frame(std::string& out, std::string_view piece) const;

  const RequestContext& request_;
  const ProxyAction& action_;
  http::FramingOut framing_;
  std::string kept_;  // body that had to be collected, or a first chunk
  std::optional<http::BodyFailure> failure_;
};

}  // namespace flotilla::gateway
