// Which records are events: their bodies are those of core/event.hpp.
//
// For: the stores, which seal what is personal in them; what has another body is never looked into.
// Ownership, threads: pure functions. Limits: none.
#pragma once

#include <cstdint>

#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

// Of RecordClass::queue: the event of a dead letter (events/core/dead_letter_item.hpp).
inline constexpr std::uint16_t kBuriedEventRecord = 16;

[[nodiscard]] constexpr bool is_event(RecordClass record_class, std::uint16_t type) noexcept {
  return (record_class == RecordClass::topic && type == kEventRecord) ||
         (record_class == RecordClass::queue && type == kBuriedEventRecord);
}

}  // namespace flotilla::journal
