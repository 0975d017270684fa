// Waiting on a loop for an answer that another thread gives.
//
// For: the Task forms of the Journal. A coroutine awaits a Reply; whoever works for it calls the function
//   made by its send(); the answer is posted to the loop on which the coroutine waits.
// Ownership: both ends share the state. Destroying the waiter (docs/adr/0004) abandons the answer, not the
//   work: a batch that is under way may still be committed.
// Threads: the waiter lives on one loop; answer from any thread, once. The loop must outlive the work, so a
//   journal is closed before the loops that use it are destroyed.
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::journal {

// Called once with the answer, on the thread that has it.
template <class T>
using Done = std::move_only_function<void(T)>;

template <class T>
class Reply {
  struct State {
    net::Loop* loop;
    Reply* waiter;  // the loop's thread alone; null once it has gone
  };

 public:
  Reply() : state_(std::make_shared<State>(net::Loop::current(), this)) {
    FLOTILLA_ASSERT(state_->loop != nullptr);
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() { state_->waiter = nullptr; }

  // What the worker calls.
  [[nodiscard]] Done<T> send() {
    return [state = state_](T answer) mutable {
      net::Loop& loop = *state->loop;
      loop.post([state = std::move(state), answer = std::move(answer)]() mutable {
        if (state->waiter != nullptr) {
          state->waiter->take(std::move(answer));
        }
      });
    };
  }

  bool await_ready() const noexcept { return answer_.has_value(); }
  void await_suspend(std::coroutine_handle<> handle) noexcept { handle_ = handle; }
  T await_resume() { return std::move(*answer_); }

 private:
  void take(T answer) {
    answer_.emplace(std::move(answer));
    if (handle_) {
      state_->loop->make_ready(ready_, handle_);
    }
  }

  std::shared_ptr<State> state_;
  std::optional<T> answer_;
  std::coroutine_handle<> handle_;
  net::ReadyNode ready_;
};

}  // namespace flotilla::journal
