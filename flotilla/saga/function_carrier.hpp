// Carries attempts out by calling functions of this program, on a bounded number of threads.
//
// For: embedded.hpp. An attempt whose function this program does not have is answered 501, so the saga is
// suspended and says which one is missing.
// An attempt lasts until its function has returned. When its timeout is over the function is asked to stop,
// once, and the log says so; the thread cannot be taken from it, and an attempt that was given up while its
// function runs could be overtaken by the undo.
// Ownership: owns the threads. Threads: made, used and destroyed on the loop's thread, but for close().
// Limits: `threads` functions at once; `most_waiting` attempts wait for a thread, first come first served,
// and those beyond it are held back, which spends no attempt.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "flotilla/net/event.hpp"
#include "flotilla/saga/carrier.hpp"
#include "flotilla/saga/code_saga.hpp"

namespace flotilla::saga {

class FunctionCarrier final : public Carrier {
 public:
  static constexpr std::size_t kMostWaiting = 100'000;

  // `threads` is at least 1.
  FunctionCarrier(net::Loop& loop, StepFunctions functions, std::uint32_t threads,
                  std::size_t most_waiting = kMostWaiting);
  ~FunctionCarrier() override;

  [[nodiscard]] net::Task<input::Answer> carry(const effect::Send& send, std::string_view callback,
                                               std::function<bool()> wanted) override;

  // Asks every function that runs to stop, and waits until they have returned. Any thread but the loop's,
  // whose shards must be gone; nothing is carried afterwards.
  void close();

 private:
  class Turn;

  void work();
  void hand_over(std::move_only_function<void()> job);

  net::Loop& loop_;
  const StepFunctions functions_;
  const std::size_t most_waiting_;
  std::uint32_t free_;        // threads without a function; the loop's thread alone, as the next
  std::list<Turn*> waiting_;  // the first is next
  std::stop_source closing_;

  std::mutex mutex_;
  std::condition_variable job_came_;
  std::deque<std::move_only_function<void()>> jobs_;  // guarded by mutex_, as the next; at most one a thread
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace flotilla::saga
