// When to tell that something is overdue: reads what is due from the rows of a choreography, publishes what
// has come due, and waits.
//
// For: choreography_watch.hpp, one for each choreography with `on_overdue`. Nothing in it must survive: what
// is due stands in rows, and stays there until the event that tells it is folded, so a crash at any moment
// tells it again, with the same id, which the topic keeps once. Ownership: a value. Threads: one. Limits:
// kDuePage rows are looked at once.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/read_token.hpp"

namespace flotilla::events {

inline constexpr std::size_t kDuePage = 100;

// What to do next; each is answered by the function of DeadlineWatch that is named beside it.
struct LookAtDue {};  // looked(), failed(): the first kDuePage rows under kDueKey
struct TellOverdue {  // told(), failed()
  DueRow due;
};
// rested(): until the rows have come to `position`, or where there is none beyond `seen` in any shard, or
// until that time.
struct Rest {
  journal::ReadToken seen;
  std::optional<journal::Position> position;
  std::int64_t until_ms = 0;
};
using WatchEffect = std::variant<LookAtDue, TellOverdue, Rest>;

// What `on_overdue` publishes: the same event however often it is made.
[[nodiscard]] journal::Event alert_event(const Choreography& choreography, const DueRow& due);

class DeadlineWatch {
 public:
  // How long it rests at most; after a failure; and for what it has told to be folded.
  static constexpr std::int64_t kRestMs = 60'000;
  static constexpr std::int64_t kAgainMs = 1'000;

  explicit DeadlineWatch(FollowFault planted = FollowFault::none) : planted_(planted) {}

  [[nodiscard]] WatchEffect start() { return LookAtDue{}; }
  // `position`: of the rows, at least.
  [[nodiscard]] WatchEffect looked(std::vector<DueRow> due, journal::ReadToken position, std::int64_t now_ms);
  [[nodiscard]] WatchEffect told(journal::Position position, std::int64_t now_ms);
  [[nodiscard]] WatchEffect failed(std::int64_t now_ms);
  [[nodiscard]] WatchEffect rested() { return LookAtDue{}; }

 private:
  [[nodiscard]] WatchEffect next(std::int64_t now_ms);

  FollowFault planted_;
  std::vector<DueRow> due_;  // the earliest last
  journal::ReadToken seen_;
  std::optional<journal::Position> told_;  // of what was told last, since it looked; all lie in one shard
  std::uint64_t tells_ = 0;
};

}  // namespace flotilla::events
