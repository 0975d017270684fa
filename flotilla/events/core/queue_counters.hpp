// What a queue for later counts: written by its engine, read by metrics from any thread.
//
// Ownership: the shell's, so that they go on when an engine is made anew. Threads: one writer, any readers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "flotilla/base/counter.hpp"
#include "flotilla/events/core/delivery_verdict.hpp"
#include "flotilla/events/core/queue_item.hpp"

namespace flotilla::events {

// What becomes of a call that is offered.
enum class QueueOffer : std::uint8_t { accepted, duplicate, key_reused, full, too_large, failed };
inline constexpr std::size_t kQueueOffers = 6;
[[nodiscard]] constexpr std::string_view to_string(QueueOffer offer) noexcept {
  constexpr std::array<std::string_view, kQueueOffers> names{"accepted", "duplicate", "key-reused",
                                                             "full",     "too-large", "failed"};
  return names[static_cast<std::size_t>(offer)];
}

struct QueueCounters {
  std::array<Counter, kQueueOffers> offers;
  std::array<Counter, 2> attempts;             // by certainty before them
  std::array<Counter, kDeliveryRows> answers;  // by row of the table of verdicts
  Counter done;                                // when it is durable; so those below
  std::array<Counter, kQueueDeadReasons> dead;
  Counter requeued;
  Counter removed;
  Counter reloads;  // after an append that failed
};

}  // namespace flotilla::events
