// What a subscription is told and what it asks for: inputs and effects, as values.
//
// For: subscription_engine.hpp, and the shell that carries effects out and feeds inputs back. Each effect
// says what the shell has to do and which input answers it; the protocol as a whole is in
// subscription_engine.hpp. Ownership: plain values; events are shared and immutable. Threads: values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/events/core/delivery_verdict.hpp"
#include "flotilla/events/core/subscription_progress.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::events {

// Both clocks, read once per input: waits go by `mono`, what expires by `wall`.
struct Now {
  Instant mono;
  WallTime wall;
};

using EventPtr = std::shared_ptr<const journal::Event>;

// Whoever asked and is to be answered by a Reply; the shell's own numbering. 0: nobody.
using Waiter = std::uint64_t;

// One event of the topic, as the shell has read it.
struct ArrivedEvent {
  enum class Admission : std::uint8_t {
    deliver,
    filtered,  // the filter says no: it is settled without being sent
    broken,    // an expression of the subscription fails on it: to the dead letters, with `detail`
  };
  std::uint64_t position = 0;  // its number in the shard
  EventPtr event;
  std::string key;           // for order_by: key; empty: it has none, and waits for nobody
  std::int64_t expires = 0;  // milliseconds since the Unix epoch; 0: never
  Admission admission = Admission::deliver;
  std::string detail;
};

// A dead letter that a person wants sent again.
struct Redrive {
  std::uint64_t letter = 0;  // its stream
  DeadLetterPtr kept;        // as it is there
  ArrivedEvent arrived;      // the event, at the position where it was published
};

// What a person, or the subscriber itself, can ask for.
enum class SubscriptionVerb : std::uint8_t {
  pause,    // sends nothing new
  resume,   // of whatever it is paused for
  replay,   // goes back to a position and sends what comes after it again, all or up to another
  release,  // lets a key that is blocked or parked go on
};
// "pause", "resume", "replay", "release".
[[nodiscard]] std::string_view to_string(SubscriptionVerb verb) noexcept;

namespace input {

// What was saved last: the answer to being made, and to effect::Reload.
struct Load {
  SubscriptionProgress progress;
};
// The answer to effect::Fetch, in the order of positions.
struct Arrived {
  std::uint64_t fetch = 0;
  std::vector<ArrivedEvent> events;
  std::uint64_t read_to = 0;  // how far the topic was read: at least the last event's position
};
// The answer to effect::FetchRedrives, oldest letters first.
struct Redrives {
  std::uint64_t fetch = 0;
  std::vector<Redrive> letters;
  bool more = false;  // there are others, for which there was no room
};
// A person has asked for some since the last answer.
struct RedrivesWait {};
// The answer to effect::Send.
struct Answer {
  std::uint64_t token = 0;
  DeliveryAnswer head;
  std::string body;  // at most kMaxAnswer + 1 bytes of it
};
// The subscriber acknowledges what it answered 202.
struct Ack {
  Waiter waiter = 0;
  std::uint64_t token = 0;
  EventOutcome outcome = EventOutcome::ok;  // none is ok
  std::string body;
};
// The answers to effect::Append.
struct Appended {};
struct AppendFailed {
  bool stale_epoch = false;  // another owner has taken over; otherwise it may or may not have been written
};
struct Timer {};
// The breaker or limit that held it back lets through again.
struct Ready {};
struct Operate {
  Waiter waiter = 0;
  SubscriptionVerb verb = SubscriptionVerb::pause;
  std::string who_why;     // of pause: for people
  std::uint64_t from = 0;  // of replay: what comes after it,
  std::uint64_t to = 0;    // up to this; 0: all
  std::string key;         // of release
};

}  // namespace input

using SubscriptionInput =
    std::variant<input::Load, input::Arrived, input::Redrives, input::RedrivesWait, input::Answer, input::Ack,
                 input::Appended, input::AppendFailed, input::Timer, input::Ready, input::Operate>;

// An event that is published in the batch that settles another.
struct CausedEvent {
  enum class Kind : std::uint8_t { dead_letter, success, failure };
  Kind kind = Kind::dead_letter;
  std::string topic;
  journal::Event event;
};

// What has become of a dead letter that was sent again.
struct RedriveOutcome {
  std::uint64_t letter = 0;
  DeadLetterPtr kept;
  LetterStep step;
};

namespace effect {

// Read the events after `after`, waiting while there are none. One at a time: a newer one replaces it.
struct Fetch {
  std::uint64_t fetch = 0;
  std::uint64_t after = 0;
  std::size_t events = 0;  // at most; bytes may go beyond ahead_bytes by one page
};
// Read the dead letters that are to be sent again, oldest first, but for those that the engine has. One at a
// time.
struct FetchRedrives {
  std::uint64_t fetch = 0;
  std::vector<std::uint64_t> had;  // in order
  std::size_t letters = 0;         // at most
  std::size_t bytes = 0;           // about as many; one letter always fits
};
// Send it, once, within the policy's timeout.
struct Send {
  std::uint64_t token = 0;  // also what a 202 is acknowledged by
  std::uint64_t position = 0;
  EventPtr event;
  std::uint32_t attempt = 0;
  bool replay = false;       // it was settled before, and a person asked for it again
  std::uint64_t letter = 0;  // of a dead letter: which
};
// Save the progress and publish, in one batch under the owner's epoch. One at a time.
struct Append {
  SubscriptionProgress progress;
  std::vector<CausedEvent> caused;
  std::vector<RedriveOutcome> letters;
  bool replays = false;  // it begins a replay: what was accepted and not yet acknowledged is forgotten
};
// Keep one timer: feed Timer at `at`; kNever: none.
struct Wake {
  Instant at = kNever;
};
struct Alert {
  enum class Kind : std::uint8_t {
    gone,           // paused: 410
    unauthorized,   // 401 403 407
    redirect,       // 3xx
    dead_letter,    // an event became one
    key_held,       // a key is blocked or parked
    too_many_keys,  // paused
    at_bound,       // reads no further until the first unsettled event is settled
  };
  Kind kind = Kind::gone;
  std::string detail;
};
struct Reply {
  enum class What : std::uint8_t {
    done,
    unknown,  // no such delivery is open, no such key is held
    refused,  // `detail` says why
    failed,   // it could not be made durable
  };
  Waiter waiter = 0;
  What what = What::done;
  std::string detail;
};
// Give up every attempt, read and timer; after a pause read the cursor and feed Load.
struct Reload {};
// Another owner has it: feed nothing more.
struct Stop {};

}  // namespace effect

using SubscriptionEffect =
    std::variant<effect::Fetch, effect::FetchRedrives, effect::Send, effect::Append, effect::Wake,
                 effect::Alert, effect::Reply, effect::Reload, effect::Stop>;
using SubscriptionEffects = std::vector<SubscriptionEffect>;

}  // namespace flotilla::events
