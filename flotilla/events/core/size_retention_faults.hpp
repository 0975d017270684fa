// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flotilla::events {

enum class SizeRetentionFault : std::uint8_t {
  none,
  ignore_floor,     // removes what a consumer has not passed
  remove_too_much,  // one piece more than it has to
  remove_newest,    // does not stop before the newest piece
  never_remove,     // only weighs
  weigh_once,       // does not look at what has come since
  forget_nothing,   // goes on as if others had removed nothing
  grow_pieces,      // remembers a piece for each page
};
inline constexpr std::size_t kSizeRetentionFaults =
    static_cast<std::size_t>(SizeRetentionFault::grow_pieces) + 1;

}  // namespace flotilla::events
