// Whose answer is next on a connection that carries several requests at once (RFC 9112 9.3.2).
//
// Answers come in the order of the requests. So a request joins with a ticket and may read when its turn has
// come; one whose answer was not read whole, or not read at all, ends the connection for all behind it.
// Ownership: a value. Threads: one at a time. Limits: kMost tickets that have not left.
#pragma once

#include <array>
#include <cstdint>

#include "flotilla/base/assert.hpp"

namespace flotilla::http {

class PipelineTurns {
 public:
  static constexpr std::uint32_t kMost = 16;
  using Ticket = std::uint32_t;

  // Whether one more may join of at most `depth`, which is at most kMost.
  [[nodiscard]] bool has_room(std::uint32_t depth) const noexcept {
    return !doomed_ && outstanding() < depth;
  }
  [[nodiscard]] Ticket join() noexcept {
    FLOTILLA_ASSERT(outstanding() < kMost);
    left_[joined_ % kMost] = false;
    return joined_++;
  }

  [[nodiscard]] bool is_turn_of(Ticket ticket) const noexcept { return !broken_ && ticket == serving_; }
  // No answer will be read any more.
  [[nodiscard]] bool is_broken() const noexcept { return broken_; }
  // Nobody else may join: the connection ends with those who have.
  [[nodiscard]] bool is_doomed() const noexcept { return doomed_; }
  // Joined, and their answer not read.
  [[nodiscard]] std::uint32_t outstanding() const noexcept { return joined_ - serving_; }
  [[nodiscard]] Ticket serving() const noexcept { return serving_; }

  // The holder of `ticket` goes; `clean`: it has read its answer whole, and more may follow.
  void leave(Ticket ticket, bool clean) noexcept {
    if (broken_) {
      return;
    }
    if (ticket != serving_) {
      left_[ticket % kMost] = true;  // its answer will come, and nobody reads it
      doomed_ = true;
      return;
    }
    ++serving_;
    if (!clean || (outstanding() > 0 && left_[serving_ % kMost])) {
      broken_ = doomed_ = true;
    }
  }

 private:
  std::array<bool, kMost> left_{};
  Ticket joined_ = 0;
  Ticket serving_ = 0;
  bool doomed_ = false;
  bool broken_ = false;
};

}  // namespace flotilla::http
