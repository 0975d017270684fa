// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::events {

enum class CompactionFault : std::uint8_t {
  none,
  ignore_floor,         // removes what a consumer has not passed
  remove_newest,        // keeps the first event of a key instead of the last
  remove_keyless,       // takes events without a key for events of one key
  mistake_keys,         // keys that begin alike are one
  bury_at_once,         // tombstones go as soon as they are seen
  bury_first,           // tombstones go before what they have superseded
  never_bury,           // tombstones stay for ever
  clean_too_far,        // where the keys did not fit, takes what was not looked at for clean
  grow_without_bound,   // remembers every key
  take_all_for_removed  // does not look at how many were removed
};
inline constexpr std::size_t kCompactionFaults =
    static_cast<std::size_t>(CompactionFault::take_all_for_removed) + 1;

}  // namespace flotilla::events
