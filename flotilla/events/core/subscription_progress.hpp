// How far a subscription has come: what survives of it, saved with the acknowledgements that caused it.
//
// For: the subscription engine, which decides it; the shell, which saves it as a cursor of the journal: the
// mark is the cursor's position, the rest its state.
// Everything up to the mark is settled, and beyond it what `settled` names and a replay skips. So after a
// crash only what is unsettled is sent again. Ownership: a plain value. Threads: pure functions. Limits:
// kMaxAhead positions, kMaxHeldKeys keys of kMaxKeyBytes: some 150 KiB of the 256 KiB that a cursor holds.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxHeldKeys = 128;
inline constexpr std::size_t kMaxKeyBytes = 512;

enum class PauseReason : std::uint8_t {
  none,
  operator_,      // a person
  gone,           // the subscriber answered 410
  too_many_keys,  // more keys would be held back than are remembered
};
inline constexpr std::size_t kPauseReasons = 4;
// "none", "operator", "gone", "too-many-keys".
[[nodiscard]] std::string_view to_string(PauseReason reason) noexcept;

struct Pause {
  PauseReason reason = PauseReason::none;
  std::string detail;      // for people: who and why
  std::int64_t since = 0;  // milliseconds since the Unix epoch
  friend bool operator==(const Pause&, const Pause&) = default;
};

struct SubscriptionProgress {
  std::uint64_t mark = 0;           // the number of a position (journal/core/position.hpp) of one shard
  std::set<std::uint64_t> settled;  // all above the mark
  Pause pause;
  std::uint64_t replay_until = 0;  // up to here events are sent a second time, because a person said so
  // What a replay of a range leaves alone: settled is also what lies behind the one, up to the other. 0:
  // none.
  std::uint64_t skip_after = 0;
  std::uint64_t skip_until = 0;
  std::set<std::string, std::less<>> held_keys;  // blocked or parked, as the policy says
  [[nodiscard]] bool skips(std::uint64_t position) const noexcept {
    return position > skip_after && position <= skip_until;
  }
  friend bool operator==(const SubscriptionProgress&, const SubscriptionProgress&) = default;
};

// All but the mark, as fields of journal/core/body.hpp; of nothing it is the empty string.
[[nodiscard]] std::string encode_state(const SubscriptionProgress& progress);
// Errors: invalid (damaged), unsupported (a field of a newer version).
[[nodiscard]] Result<SubscriptionProgress> decode_progress(std::uint64_t mark, std::string_view state);

}  // namespace flotilla::events
