// The queue for later: where calls wait that could not be carried out, until their service is back.
//
// For: the caller, whose `queue` fallback hands calls over; what keeps them durable stands on a higher floor
// (events/queue_runner.hpp) and is wired by `app`. A call is taken only when it is durable: "pending" is
// never said of what a crash could lose. Ownership: the caller borrows the queue. Threads: any worker's; a
// Task resumes on the loop that awaits it. Limits: kMostQueuedHead of head lines, kMostQueuedBody of body;
// those of a QueueFallback.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/reason.hpp"
#include "flotilla/call/outgoing.hpp"
#include "flotilla/call/service_config.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::call {

inline constexpr std::size_t kMostQueuedHead = std::size_t{32} * 1024;
inline constexpr std::size_t kMostQueuedBody = std::size_t{512} * 1024;

// One call that is to be carried out later.
struct DeferredCall {
  QueueFallback queue;
  ServiceName service;
  http::Request request;     // as it is to be sent, without what belongs to one attempt
  std::string key;           // that orders it; empty: it waits for nobody
  bool resendable = false;   // its method is idempotent, or its sender gave it an Idempotency-Key
  bool maybe_acted = false;  // the service may have acted on it already
  Reason cause = Reason::no_instance;
};

struct Taken {
  enum class What : std::uint8_t {
    queued,      // durable
    duplicate,   // one with this Idempotency-Key is here already: `id` is its
    key_reused,  // ... with another request
    full,        // the queue is at its bound
    too_large,
    failed,  // it could not be made durable; `maybe_kept` says whether it may be found after a restart
  };
  What what = What::failed;
  std::string id;
  std::string status_url;  // of queued and duplicate
  std::string detail;      // of the others
  bool maybe_kept = false;
};

// Why a call that failed was not even offered.
enum class PassedBy : std::uint8_t {
  unsafe,      // it may have been done, and sending it again is not safe
  unsuitable,  // a safe method, an upgrade, a body that streams or is too large
  no_key,      // its place in the order is not known
};
inline constexpr std::size_t kPassedBy = 3;
[[nodiscard]] constexpr std::string_view to_string(PassedBy why) noexcept {
  constexpr std::array<std::string_view, kPassedBy> names{"unsafe", "unsuitable", "no-key"};
  return names[static_cast<std::size_t>(why)];
}

class DurableQueue {
 public:
  DurableQueue() = default;
  DurableQueue(const DurableQueue&) = delete;
  DurableQueue& operator=(const DurableQueue&) = delete;
  virtual ~DurableQueue() = default;

  // Whether some call waits in that queue whose key matters, so that ordering_key() is worth its price.
  [[nodiscard]] virtual bool keeps_order(const std::string& queue) = 0;
  // Whether a call of that key waits: a new one goes behind it.
  [[nodiscard]] virtual bool is_waiting(const std::string& queue, const std::string& key) = 0;
  [[nodiscard]] virtual net::Task<Taken> take(DeferredCall deferred) = 0;
  // Counts it.
  virtual void passed_by(const std::string& queue, PassedBy why) = 0;
};

// The key that orders a call with this body; empty where there is none. Errors: invalid (the body is no JSON,
// or the expression fails on it), so that its place in the order is not known.
[[nodiscard]] Result<std::string> ordering_key(const QueueFallback& queue, std::string_view body);

// What `outgoing` would send, or nothing where it cannot wait: a safe method, whose answer is all it is for;
// an upgrade; a body that streams; too large.
[[nodiscard]] std::optional<http::Request> deferred_request(Outgoing& outgoing);

}  // namespace flotilla::call
