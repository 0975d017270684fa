// The relay of an outbox table at work: a thread that waits for the database, and the loop that publishes.
//
// For: `flotilla outbox`. The relay (core/outbox_relay.hpp) decides; this carries out. Ownership: owns the
// relay and the thread; loop and publisher outlive it. Threads: the loop's, but for the thread of its own, on
// which the table lives; destroying it waits for what that thread is doing, at most some ten seconds.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "flotilla/events/core/outbox_relay.hpp"
#include "flotilla/events/outbox_publisher.hpp"
#include "flotilla/events/outbox_table.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {

class OutboxRunner {
 public:
  // `stopped` is called once on the loop after stop().
  OutboxRunner(net::Loop& loop, OutboxPublisher& publisher, OutboxPlace place, const OutboxPolicy& policy,
               std::uint64_t seed, std::function<void()> stopped);
  OutboxRunner(const OutboxRunner&) = delete;
  OutboxRunner& operator=(const OutboxRunner&) = delete;
  ~OutboxRunner();

  // On the loop. Finishes what is under way, and forgets what was acknowledged.
  void stop();

  // On the loop; `then` too.
  void ask_backlog(std::function<void(Result<OutboxBacklog>)> then);
  [[nodiscard]] const OutboxRelay& relay() const noexcept { return relay_; }

 private:
  using Job = std::move_only_function<void(OutboxTable&)>;
  void work(OutboxPlace place);
  void give(Job job, Duration after = Duration::zero());
  void ask(std::function<OutboxInput(OutboxTable&)> question, Duration after = Duration::zero());
  void feed(OutboxInput input);
  void carry_out(const outbox_effect::Connect& connect);
  void carry_out(outbox_effect::Read& read);
  void carry_out(outbox_effect::Publish& publish);
  void carry_out(outbox_effect::Forget& forget);
  void carry_out(const outbox_effect::Wait& wait);
  void carry_out(const outbox_effect::Tell& tell);
  void carry_out(const outbox_effect::Stopped& stopped);
  [[nodiscard]] net::Task<> publish(outbox_effect::Publish batch);

  net::Loop& loop_;
  OutboxPublisher& publisher_;
  OutboxRelay relay_;
  std::function<void()> stopped_;
  net::Scope publishing_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // of the loop's thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Instant, Job>> jobs_;  // guarded by mutex_; each not before its time
  bool ended_ = false;                        // guarded by mutex_
  bool hurry_ = false;                        // guarded by mutex_: nothing waits for its time any more
  std::thread thread_;
};

}  // namespace flotilla::events
