// Several requests on one connection: gathered while the events of a turn are served, sent together, and
// their answers read in turn (core/pipeline_turns.hpp).
//
// For: the connection pool. What it saves is system calls and segments: requests that arrive at the same
// instant leave in one send. What it costs is that an answer waits for those before it.
// Ownership: belongs to the connection; an Upstream that waits for its turn takes itself off the list when it
// goes. Threads: the loop's. Limits: PipelineTurns::kMost requests; a rest of at most one read.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <span>
#include <string>

#include "flotilla/http/core/pipeline_turns.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::http::detail {

class Pipeline {
 public:
  using Ticket = PipelineTurns::Ticket;
  enum class Turn : std::uint8_t { come, broken, timeout };
  class TurnAwaiter;

  explicit Pipeline(net::Loop& loop) noexcept : loop_(loop) {}

  PipelineTurns turns;
  std::string unsent;  // requests of this turn of the loop

  // Until the answer of `ticket` is next, the connection is of no use to it, or `deadline`. One waits per
  // ticket.
  [[nodiscard]] TurnAwaiter turn(Ticket ticket, Instant deadline) noexcept;
  // Its holder goes (PipelineTurns::leave); whoever may go on is resumed in this turn of the loop.
  void leave(Ticket ticket, bool clean) noexcept;

  // Bytes that came behind an answer belong to the next: whoever's turn it is takes them first. What is
  // taken is valid until the next keep().
  [[nodiscard]] std::span<char> take_rest() noexcept;
  // `bytes` may be the end of what take_rest() gave.
  void keep_rest(std::span<const char> bytes);
  [[nodiscard]] bool has_rest() const noexcept { return rest_at_ < rest_.size(); }

 private:
  void resume(Ticket ticket) noexcept;

  net::Loop& loop_;
  std::array<TurnAwaiter*, PipelineTurns::kMost> waiting_{};
  std::string rest_;
  std::size_t rest_at_ = 0;
};

class Pipeline::TurnAwaiter {
 public:
  TurnAwaiter(Pipeline& pipeline, Ticket ticket, Instant deadline) noexcept
      : pipeline_(pipeline),
        ticket_(ticket),
        deadline_(deadline),
        timer_([](void* self) { static_cast<TurnAwaiter*>(self)->expire(); }, this) {}
  TurnAwaiter(const TurnAwaiter&) = delete;
  TurnAwaiter& operator=(const TurnAwaiter&) = delete;
  ~TurnAwaiter() { stop_waiting(); }

  bool await_ready() const noexcept {
    return pipeline_.turns.is_broken() || pipeline_.turns.is_turn_of(ticket_);
  }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    pipeline_.waiting_[ticket_ % PipelineTurns::kMost] = this;
    if (deadline_ != kNever) {
      pipeline_.loop_.arm(timer_, deadline_);
    }
  }
  Turn await_resume() noexcept {
    stop_waiting();
    return pipeline_.turns.is_broken()           ? Turn::broken
           : pipeline_.turns.is_turn_of(ticket_) ? Turn::come
                                                 : Turn::timeout;
  }

 private:
  friend class Pipeline;
  void expire() noexcept {
    if (pipeline_.waiting_[ticket_ % PipelineTurns::kMost] == this) {  // else it is to be resumed already
      stop_waiting();
      handle_.resume();
    }
  }
  void stop_waiting() noexcept {
    TurnAwaiter*& place = pipeline_.waiting_[ticket_ % PipelineTurns::kMost];
    if (place == this) {
      place = nullptr;
    }
  }

  Pipeline& pipeline_;
  Ticket ticket_;
  Instant deadline_;
  net::Timer timer_;
  net::ReadyNode ready_;
  std::coroutine_handle<> handle_;
};

}  // namespace flotilla::http::detail
