// Retention of a topic by size: the oldest events go where the topic has more bytes than it may.
//
// For: topic_trimmer.hpp, which weighs and removes. The topic is weighed once, a page at a time, then what
// has come since; what is remembered is how many bytes lie up to which position, in pieces of about a 64th of
// the limit. Over the limit the oldest pieces go, as few as it takes, so a topic is kept at its limit and
// about a 64th below. The newest piece stays, whatever it weighs. Where others remove events of the topic
// (age, compaction, people) the `generation` that Look tells is another one, and it is weighed anew: an old
// weight would remove too much. What lies behind the floor stays: what a saved cursor has not passed; with
// `retention: hard` the shell gives the end of the topic for it.
//
// Protocol: step() gives one effect or none; the answer to it is the next input. Look comes only while
// idle(). Ownership: owns its pieces. Threads: one. Limits: kMaxPieces.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>

#include "flotilla/events/core/size_retention_faults.hpp"

namespace flotilla::events {

namespace sizing {

struct Look {
  std::uint64_t end = 0;         // of the topic
  std::uint64_t floor = 0;       // nothing behind it may go
  std::uint64_t generation = 0;  // of removals by others
};
// The answer to Weigh.
struct Weighed {
  std::uint64_t until = 0;  // the position of the last event that was weighed; `after` where there was none
  std::uint64_t bytes = 0;
  bool at_end = false;
};
// The answer to Remove: all that may go is gone.
struct Removed {};
struct Failed {};

// The events behind `after`, until they have about `bytes` bytes.
struct Weigh {
  std::uint64_t after = 0;
  std::uint64_t bytes = 0;
};
// All events up to there.
struct Remove {
  std::uint64_t until = 0;
};

using Input = std::variant<Look, Weighed, Removed, Failed>;
using Effect = std::variant<Weigh, Remove>;

}  // namespace sizing

class SizeRetention {
 public:
  static constexpr std::uint64_t kPieces = 64;     // of a topic at its limit
  static constexpr std::size_t kMaxPieces = 4096;  // remembered; then the newest ones grow

  explicit SizeRetention(std::uint64_t limit, SizeRetentionFault planted = SizeRetentionFault::none) noexcept
      : limit_(limit), planted_(planted) {}

  [[nodiscard]] std::optional<sizing::Effect> step(sizing::Input input);
  [[nodiscard]] bool idle() const noexcept { return !busy_; }
  // Whether a Look can begin anything.
  [[nodiscard]] bool may_look(std::uint64_t end, std::uint64_t generation) const noexcept;

  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
  // As far as it was weighed.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t pieces() const noexcept { return pieces_.size(); }

 private:
  struct Piece {
    std::uint64_t until = 0;
    std::uint64_t bytes = 0;
  };
  using Next = std::optional<sizing::Effect>;

  Next on(const sizing::Look& look);
  Next on(const sizing::Weighed& weighed);
  Next on(const sizing::Removed& removed);
  Next on(const sizing::Failed& failed);
  Next weigh();
  Next cut();
  Next rest();
  [[nodiscard]] std::uint64_t piece_bytes() const noexcept { return limit_ / kPieces + 1; }
  [[nodiscard]] bool planted(SizeRetentionFault fault) const noexcept { return planted_ == fault; }

  const std::uint64_t limit_;
  const SizeRetentionFault planted_;
  bool busy_ = false;
  bool weighed_ = false;  // up to at_
  std::uint64_t at_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t floor_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t bytes_ = 0;
  std::deque<Piece> pieces_;
  std::size_t going_ = 0;  // of the oldest pieces, being removed
};

}  // namespace flotilla::events
