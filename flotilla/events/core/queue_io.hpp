// What a queue for later is told and what it asks for: inputs and effects, as values.
//
// For: queue_engine.hpp, and the shell that carries effects out and feeds inputs back. Each effect says what
// the shell has to do and which input answers it. Ownership: plain values; requests are shared and immutable.
// Threads: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/events/core/queue_counters.hpp"
#include "flotilla/events/core/queue_item.hpp"
#include "flotilla/events/core/subscription_io.hpp"  // Now, Waiter

namespace flotilla::events {

using AcceptedPtr = std::shared_ptr<const AcceptedRecord>;

// Whether calls to the service may be made, as its breaker says.
enum class QueueGate : std::uint8_t {
  closed,  // send nothing
  probe,   // one at a time: it is being found out
  open,
};

enum class QueueVerb : std::uint8_t {
  retry,   // sends it now; a dead letter is pending again
  remove,  // it is not carried out
};

namespace queue_input {

// What the journal has: the answer to being made, and to Reload. Every append that was asked for before has
// ended by then.
struct Load {
  std::vector<QueueItem> open;  // pending and sending
  std::size_t dead = 0;
};
// A call that is to be kept. `item` is complete but for its stream and version.
struct Offer {
  Waiter waiter = 0;
  QueueItem item;
  AcceptedPtr request;
};
// The answers to Append.
struct Appended {
  std::uint64_t op = 0;
  journal::StreamId stream;  // the one that was created, of an offer
};
struct AppendFailed {
  enum class What : std::uint8_t {
    key_taken,   // of an offer: one with its key is here
    key_reused,  // of an offer: ... with another request
    too_large,   // of an offer
    not_kept,    // surely; of an offer: of others the shell tries again
    conflict,    // the item is not what it was
    unknown,     // it may have been written
    stale_epoch,
  };
  std::uint64_t op = 0;
  What what = What::unknown;
  journal::StreamId holder;  // of key_taken
  std::string detail;
};
// The answer to Send.
struct Answer {
  std::uint64_t token = 0;
  DeliveryAnswer head;
  std::string content_type;
  std::string body;  // at most kMaxKeptAnswer + 1 bytes of it
};
struct Timer {};
// Told when it changes, and now and then.
struct Weather {
  QueueGate gate = QueueGate::open;
  double pace = 1;  // calls a second
};
// `item`: as the journal has it, where it is not open.
struct Operate {
  Waiter waiter = 0;
  QueueVerb verb = QueueVerb::retry;
  QueueItem item;
  std::string who_why;
};
// Begin no attempt any more.
struct Drain {};

}  // namespace queue_input

using QueueInput = std::variant<queue_input::Load, queue_input::Offer, queue_input::Appended,
                                queue_input::AppendFailed, queue_input::Answer, queue_input::Timer,
                                queue_input::Weather, queue_input::Operate, queue_input::Drain>;

namespace queue_effect {

// Append one record and change the row of its item, in one batch under the owner's epoch.
struct Append {
  std::uint64_t op = 0;
  QueueItem item;  // as it is afterwards; its version is the record's
  QueueRecord type = QueueRecord::accepted;
  AcceptedPtr accepted;  // of accepted
  SendingRecord sending;
  OutcomeRecord outcome;
  PersonRecord person;  // of requeued and removed
};
// Send it, once, within the policy's timeout.
struct Send {
  std::uint64_t token = 0;
  QueueItem item;
};
// Keep one timer: feed Timer at `at`; kNever: none.
struct Wake {
  Instant at = kNever;
};
// Whether some call of this key waits. With Reload it is not known of any key, until Load.
struct KeyWaits {
  std::string key;
  bool waits = true;
};
struct Reply {
  Waiter waiter = 0;
  // Of an offer.
  QueueOffer offer = QueueOffer::failed;
  journal::StreamId holder;  // of duplicate
  bool maybe_kept = false;   // of failed
  // Of what a person asked.
  bool done = false;
  std::string detail;
};
struct DeadLetter {
  QueueItem item;
};
// Give up every attempt and timer; when all appends have ended, read the journal and feed Load.
struct Reload {};
// Another owner has it: feed nothing more.
struct Stop {};

}  // namespace queue_effect

using QueueEffect =
    std::variant<queue_effect::Append, queue_effect::Send, queue_effect::Wake, queue_effect::KeyWaits,
                 queue_effect::Reply, queue_effect::DeadLetter, queue_effect::Reload, queue_effect::Stop>;
using QueueEffects = std::vector<QueueEffect>;

}  // namespace flotilla::events
