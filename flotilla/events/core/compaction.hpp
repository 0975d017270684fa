// Compaction of a topic: of each key the last event stays, older ones are removed.
//
// For: topic_compactor.hpp, which reads and removes. A round reads what has come since the last one (the
// dirty part) and remembers where each of its keys stands last; then it walks over the topic from its oldest
// event and removes what one of those supersedes. So what a round leaves behind has each key once, however
// few keys fit into memory: if they do not fit, it ends before the first that does not, and the next goes on
// there. A round is worth its walk when the dirty part is at least half of what the last one has left, or
// when a tombstone has stood for its time: an event with a key and without data (nothing, or `null`) says
// that the key is gone, and goes itself kTombstoneLife after it was published. Events without a key stay.
//
// Events are removed in the order of their positions, each page on disk before the next, and a tombstone is
// looked at only when all that it supersedes is gone; so a crash between any two removals leaves of each key
// a suffix of its history, never an older event without a newer one. Nothing is kept on disk: after a restart
// all is dirty. Never removed is what lies behind the floor: what a saved cursor has not passed.
//
// Protocol: step() gives one effect or none; the answer to it is the next input. Look comes only while
// idle(). Ownership: owns its map. Threads: one. Limits: CompactionLimits, of one topic, while it is not
// idle().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/events/core/compaction_faults.hpp"

namespace flotilla::events {

inline constexpr Duration kTombstoneLife = std::chrono::hours(24);

struct CompactionLimits {
  std::size_t keys = 100'000;
  std::size_t key_bytes = std::size_t{16} << 20;  // of all of them; one always fits
};

struct KeyedEvent {
  std::uint64_t position = 0;
  std::string key;  // empty: none
  bool tombstone = false;
  std::int64_t time = 0;  // when it was published, in milliseconds
};

namespace compaction {

// Begins a round, if there is something worth it.
struct Look {
  std::uint64_t floor = 0;  // every saved cursor has come so far; at most the end of the topic
  std::int64_t now = 0;     // wall, in milliseconds
};
// The answer to Read.
struct Page {
  std::vector<KeyedEvent> events;
  std::uint64_t next = 0;  // how far the page reaches
  bool at_end = false;
};
// The answer to Remove: how many of them were there and are gone.
struct Removed {
  std::size_t events = 0;
};
// It could not be carried out, wholly or in part.
struct Failed {};

struct Read {
  std::uint64_t after = 0;
};
struct Remove {
  std::vector<std::uint64_t> positions;  // ascending, those of one page
};

using Input = std::variant<Look, Page, Removed, Failed>;
using Effect = std::variant<Read, Remove>;

}  // namespace compaction

class Compaction {
 public:
  explicit Compaction(CompactionLimits limits = {}, CompactionFault planted = CompactionFault::none) noexcept
      : limits_(limits), planted_(planted) {}

  [[nodiscard]] std::optional<compaction::Effect> step(compaction::Input input);
  [[nodiscard]] bool idle() const noexcept { return phase_ == Phase::idle; }
  // Whether a Look can begin anything while the topic has come no farther than `end`.
  [[nodiscard]] bool may_look(std::uint64_t end, std::int64_t now) const noexcept;

  // Rounds that came to their end, and those that were given up.
  [[nodiscard]] std::uint64_t rounds() const noexcept { return rounds_; }
  [[nodiscard]] std::uint64_t given_up() const noexcept { return given_up_; }
  // In memory.
  [[nodiscard]] std::size_t keys() const noexcept { return last_.size(); }
  // Up to here each key stands once.
  [[nodiscard]] std::uint64_t clean() const noexcept { return clean_; }

 private:
  enum class Phase : std::uint8_t { idle, reading, walking, removing };
  using Next = std::optional<compaction::Effect>;

  Next on(const compaction::Look& look);
  Next on(const compaction::Page& page);
  Next on(const compaction::Removed& removed);
  Next on(const compaction::Failed& failed);
  Next read(const compaction::Page& page);
  Next walk(const compaction::Page& page);
  Next begin_walk();
  Next go_on();
  Next rest();
  [[nodiscard]] bool remember(const KeyedEvent& event);
  [[nodiscard]] bool is_superseded(const KeyedEvent& event) const;
  [[nodiscard]] bool is_due(const KeyedEvent& event) const;
  [[nodiscard]] std::string key_of(const KeyedEvent& event) const;
  // How many dirty events are worth a walk.
  [[nodiscard]] std::uint64_t worth() const noexcept { return kept_ < 2 ? 1 : kept_ / 2; }
  [[nodiscard]] bool planted(CompactionFault fault) const noexcept { return planted_ == fault; }

  const CompactionLimits limits_;
  const CompactionFault planted_;
  Phase phase_ = Phase::idle;
  std::uint64_t clean_ = 0;
  std::uint64_t kept_ = 0;        // events at or before clean_
  std::int64_t grave_due_ = 0;    // when the first tombstone at or before clean_ has stood its time; 0: none
  std::uint64_t not_before_ = 0;  // a floor below which it is not worth looking
  std::uint64_t rounds_ = 0;
  std::uint64_t given_up_ = 0;
  // Of the round.
  std::uint64_t floor_ = 0;
  std::int64_t now_ = 0;
  std::uint64_t end_ = 0;    // what the round makes clean
  std::uint64_t dirty_ = 0;  // events that were read of it
  std::uint64_t at_ = 0;     // how far the walk has come
  bool walk_ends_ = false;   // with the page whose removal is under way
  std::size_t asked_ = 0;    // to be removed
  std::uint64_t left_ = 0;
  std::int64_t next_grave_ = 0;
  std::unordered_map<std::string, std::uint64_t> last_;
  std::size_t key_bytes_ = 0;
};

}  // namespace flotilla::events
