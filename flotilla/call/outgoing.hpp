// What a call sends: implemented by the proxy (forwards a request) and by templates (compose, and later
// sagas and deliveries).
//
// Ownership: lives in the caller's frame for as long as the call. Threads: the worker's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/http/connection_pool.hpp"
#include "flotilla/http/core/head.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::call {

// What an attempt knows that the head depends on.
struct AttemptInfo {
  std::string_view authority;    // of the instance
  std::string_view path_prefix;  // of a fixed url; put before the path
  Duration remaining{0};         // until the attempt's deadline: propagated to the service
  std::uint32_t number = 1;      // from 1
};

class Outgoing {
 public:
  Outgoing() = default;
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  virtual ~Outgoing() = default;

  // Appends the whole request head for this attempt.
  virtual void append_head(std::string& out, const AttemptInfo& attempt) = 0;

  // Asked when every wait of an attempt is over (for a slot, a name, a connection), before its first byte
  // leaves. False: nothing is sent, and the call ends as refused with nothing done.
  [[nodiscard]] virtual bool wanted() const { return true; }

  // Sends the rest of a body that is still arriving (when `streams`), in the framing of the head. False
  // when it cannot be completed: the request to the service is then broken off.
  [[nodiscard]] virtual net::Task<bool> stream_body(net::Channel& to) = 0;

  // Names the answer for the stale fallback: equal keys may be answered alike. Empty: not kept.
  [[nodiscard]] virtual std::string stale_key() const = 0;

  http::Method method = http::Method::get;
  bool idempotency_key = false;
  bool upgrade = false;   // a websocket handshake: 101 is an answer
  bool gave_up = false;   // stream_body failed: the request's sender is to blame, not the service
  bool streams = false;   // the body is not (all) in `body`: it cannot be sent twice
  std::string_view body;  // sent with the head; in its framing already
};

}  // namespace flotilla::call
