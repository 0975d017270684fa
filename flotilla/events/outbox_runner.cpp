#include "flotilla/events/outbox_runner.hpp"

#include <utility>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {

OutboxRunner::OutboxRunner(net::Loop& loop, OutboxPublisher& publisher, OutboxPlace place,
                           const OutboxPolicy& policy, std::uint64_t seed, std::function<void()> stopped)
    : loop_(loop), publisher_(publisher), relay_(policy, seed), stopped_(std::move(stopped)) {
  thread_ = std::thread([this, place = std::move(place)]() mutable { work(std::move(place)); });
  feed(outbox_input::Woken{});
}

OutboxRunner::~OutboxRunner() {
  *alive_ = false;
  publishing_.cancel_all();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void OutboxRunner::stop() {
  {
    const std::lock_guard lock(mutex_);
    hurry_ = true;
  }
  changed_.notify_one();
  feed(outbox_input::Stop{});
}

// The thread of the database.
void OutboxRunner::work(OutboxPlace place) {
  OutboxTable table(std::move(place));
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (jobs_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Duration early = hurry_ ? Duration::zero() : jobs_.front().first - net::monotonic_now();
    if (early > Duration::zero()) {
      changed_.wait_for(lock, early);
      continue;
    }
    Job job = std::move(jobs_.front().second);
    jobs_.pop_front();
    lock.unlock();
    job(table);
    lock.lock();
  }
}

void OutboxRunner::give(Job job, Duration after) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.emplace_back(net::monotonic_now() + after, std::move(job));
  }
  changed_.notify_one();
}

void OutboxRunner::ask(std::function<OutboxInput(OutboxTable&)> question, Duration after) {
  give(
      [this, alive = alive_, question = std::move(question)](OutboxTable& table) {
        // What is posted after the end of this runs on the loop's thread, which has ended it.
        loop_.post([this, alive, input = question(table)]() mutable {
          if (*alive) {
            feed(std::move(input));
          }
        });
      },
      after);
}

void OutboxRunner::ask_backlog(std::function<void(Result<OutboxBacklog>)> then) {
  give([this, alive = alive_, then = std::move(then)](OutboxTable& table) {
    loop_.post([alive, then, backlog = table.backlog()] {
      if (*alive) {
        then(backlog);
      }
    });
  });
}

void OutboxRunner::feed(OutboxInput input) {
  std::vector<OutboxEffect> effects;
  relay_.step(loop_.now(), std::move(input), effects);
  for (OutboxEffect& effect : effects) {
    std::visit([this](auto& each) { carry_out(each); }, effect);
  }
}

void OutboxRunner::carry_out(const outbox_effect::Connect& connect) {
  ask([](OutboxTable& table) { return table.connect(); }, connect.after);
}

void OutboxRunner::carry_out(outbox_effect::Read& read) {
  ask([read = std::move(read)](OutboxTable& table) { return table.read(read); });
}

void OutboxRunner::carry_out(outbox_effect::Forget& forget) {
  ask([forget = std::move(forget)](OutboxTable& table) { return table.forget(forget); });
}

void OutboxRunner::carry_out(const outbox_effect::Wait& wait) {
  ask([wait](OutboxTable& table) { return table.wait(wait); });
}

void OutboxRunner::carry_out(outbox_effect::Publish& publish) {
  publishing_.spawn(this->publish(std::move(publish)));
}

// The answer is fed in a turn of its own: a batch that fails at once would otherwise be fed within its step.
net::Task<> OutboxRunner::publish(outbox_effect::Publish batch) {
  outbox_input::Answer answer = co_await publisher_.publish(batch);
  loop_.post([this, alive = alive_, answer = std::move(answer)]() mutable {
    if (*alive) {
      feed(std::move(answer));
    }
  });
}

void OutboxRunner::carry_out(const outbox_effect::Tell& tell) {
  using What = outbox_effect::Tell::What;
  switch (tell.what) {
    case What::row_held:
      log::warning("outbox: {} of topic {} is refused, and holds what comes after it of its key: {}", tell.id,
                   tell.topic, tell.detail);
      break;
    case What::row_went:
      log::info("outbox: {} of topic {} is published after all", tell.id, tell.topic);
      break;
    case What::topic_waits:
      log::warning("outbox: topic {} waits: {}", tell.topic, tell.detail);
      break;
    case What::topic_goes_on:
      log::info("outbox: topic {} goes on", tell.topic);
      break;
    case What::standing_by:
      log::info("outbox: another relay has the table; standing by");
      break;
    case What::at_bound:
      log::error("outbox: {} by rows that are refused: until some are dealt with, little else is read",
                 tell.detail);
      break;
    case What::database_failed:
      log::warning("outbox: {}", tell.detail);
      break;
  }
}

void OutboxRunner::carry_out(const outbox_effect::Stopped& /*stopped*/) { stopped_(); }

}  // namespace flotilla::events
