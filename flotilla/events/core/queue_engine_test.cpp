// The engine of a queue for later, step by step; core/simulation has what happens together.
#include "flotilla/events/core/queue_engine.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

using namespace std::chrono_literals;
using Kind = DeliveryAnswer::Kind;

class QueueEngineTest : public testing::Test {
 protected:
  QueueEngineTest() { policy_.name = "pending"; }

  // The gate is closed but in begin(), so that a test says when an attempt begins.
  void start(queue_input::Load load = {}) {
    engine_ = std::make_unique<QueueEngine>(policy_, 1, counters_);
    step(std::move(load));
  }
  // A second with the gate open; what begins then.
  std::vector<queue_effect::Append> begin() {
    step(queue_input::Weather{.gate = QueueGate::open, .pace = 1000});
    now_ += 1s;
    step(queue_input::Timer{});
    step(queue_input::Weather{.gate = QueueGate::closed, .pace = 1000});
    auto begun = take<queue_effect::Append>();
    for (const queue_effect::Append& each : begun) {
      EXPECT_EQ(each.type, QueueRecord::sending);
    }
    return begun;
  }
  Now clocks() const {
    return {.mono = now_, .wall = WallTime{(now_ - Instant(1h)).count() + kWall * 1'000'000}};
  }
  void step(QueueInput input) {
    QueueEffects effects = engine_->step(std::move(input), clocks());
    for (QueueEffect& effect : effects) {
      effects_.push_back(std::move(effect));
    }
  }
  // Takes the effects of one kind out.
  template <class Effect>
  std::vector<Effect> take() {
    std::vector<Effect> found;
    std::erase_if(effects_, [&](QueueEffect& effect) {
      auto* const it = std::get_if<Effect>(&effect);
      if (it != nullptr) {
        found.push_back(std::move(*it));
      }
      return it != nullptr;
    });
    return found;
  }
  QueueItem item(std::string key = {}, bool resendable = true) {
    return {.id = Ulid{1, ++ids_},
            .stream = {},
            .version = 1,
            .key = std::move(key),
            .resendable = resendable,
            .bytes = 10,
            .accepted = kWall,
            .expires = kWall + to_millis(policy_.age)};
  }
  // Offered, and durable as the next stream.
  void accept(QueueItem item) {
    step(queue_input::Offer{
        .waiter = 1, .item = std::move(item), .request = std::make_shared<AcceptedRecord>()});
    const auto appends = take<queue_effect::Append>();
    ASSERT_EQ(appends.size(), 1U);
    step(queue_input::Appended{.op = appends[0].op, .stream = journal::StreamId(++streams_)});
  }
  // Confirms the one append there is, and gives it.
  queue_effect::Append appended() {
    auto appends = take<queue_effect::Append>();
    EXPECT_EQ(appends.size(), 1U);
    if (appends.empty()) {
      return {};
    }
    step(queue_input::Appended{.op = appends[0].op, .stream = {}});
    return appends[0];
  }
  // Begins the next attempt, and gives the token.
  std::uint64_t send() {
    const auto begun = begin();
    EXPECT_EQ(begun.size(), 1U);
    if (begun.empty()) {
      return 0;
    }
    step(queue_input::Appended{.op = begun[0].op, .stream = {}});
    const auto sends = take<queue_effect::Send>();
    EXPECT_EQ(sends.size(), 1U);
    return sends.empty() ? 0 : sends[0].token;
  }
  queue_effect::Append answer(std::uint64_t token, DeliveryAnswer head) {
    step(queue_input::Answer{.token = token, .head = head, .content_type = "text/plain", .body = "said"});
    return appended();
  }
  static DeliveryAnswer status(std::uint16_t code) { return {.kind = Kind::status, .status = code}; }

  static constexpr std::int64_t kWall = 1'700'000'000'000;
  QueuePolicy policy_;
  QueueCounters counters_;
  std::unique_ptr<QueueEngine> engine_;
  Instant now_{1h};
  QueueEffects effects_;
  std::uint64_t ids_ = 0;
  std::uint64_t streams_ = 0;
};

TEST_F(QueueEngineTest, SaysPendingWhenItIsDurable) {
  start();
  step(queue_input::Offer{.waiter = 5, .item = item(), .request = std::make_shared<AcceptedRecord>()});
  EXPECT_TRUE(take<queue_effect::Reply>().empty());
  const auto appends = take<queue_effect::Append>();
  ASSERT_EQ(appends.size(), 1U);
  step(queue_input::Appended{.op = appends[0].op, .stream = journal::StreamId(1)});
  const auto replies = take<queue_effect::Reply>();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].offer, QueueOffer::accepted);
  EXPECT_EQ(engine_->view().open, 1U);
}

TEST_F(QueueEngineTest, RecordsThatAnAttemptBeginsBeforeItIsSent) {
  start();
  accept(item());
  const auto appends = begin();
  ASSERT_EQ(appends.size(), 1U);
  EXPECT_EQ(appends[0].item.certainty, Certainty::unknown);
  EXPECT_TRUE(take<queue_effect::Send>().empty());
  step(queue_input::Appended{.op = appends[0].op, .stream = {}});
  const auto sends = take<queue_effect::Send>();
  ASSERT_EQ(sends.size(), 1U);
  const auto settled = answer(sends[0].token, status(201));
  EXPECT_EQ(settled.item.state, QueueState::done);
  EXPECT_EQ(settled.outcome.body, "said");
  EXPECT_EQ(engine_->view().open, 0U);
  EXPECT_EQ(counters_.done.read(), 1U);
}

TEST_F(QueueEngineTest, KeepsTheOrderOfAKey) {
  start();
  accept(item("a"));
  accept(item("a"));
  accept(item("b"));
  const std::uint64_t first = send();
  const std::uint64_t other = send();  // of b
  EXPECT_TRUE(begin().empty());        // the second of a waits
  step(queue_input::Answer{.token = first, .head = status(200), .content_type = {}, .body = {}});
  const auto settled = take<queue_effect::Append>();
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_TRUE(begin().empty());  // until the first is settled durably
  step(queue_input::Appended{.op = settled[0].op, .stream = {}});
  const auto next = begin();
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].item.stream, journal::StreamId(2));
  EXPECT_NE(other, 0U);
}

TEST_F(QueueEngineTest, TellsWhichKeysWait) {
  start();
  accept(item("a"));
  accept(item("a"));
  auto waits = take<queue_effect::KeyWaits>();
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_TRUE(waits[0].waits);
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t token = send();
    EXPECT_TRUE(take<queue_effect::KeyWaits>().empty());
    answer(token, status(200));
  }
  waits = take<queue_effect::KeyWaits>();
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_FALSE(waits[0].waits);
}

TEST_F(QueueEngineTest, WhatMayHaveBeenDoneAndIsNotSafeIsADeadLetter) {
  start();
  accept(item({}, false));
  const auto settled = answer(send(), {.kind = Kind::lost});
  EXPECT_EQ(settled.item.state, QueueState::dead);
  EXPECT_EQ(settled.item.reason, QueueDeadReason::unknown);
  EXPECT_EQ(take<queue_effect::DeadLetter>().size(), 1U);
  EXPECT_EQ(engine_->view().dead, 1U);
}

TEST_F(QueueEngineTest, AServiceThatDeduplicatesIsAskedAgain) {
  policy_.deduplicates = true;
  start();
  accept(item({}, false));
  const auto settled = answer(send(), {.kind = Kind::lost});
  EXPECT_EQ(settled.item.state, QueueState::pending);
  EXPECT_EQ(settled.item.certainty, Certainty::unknown);
  now_ += 10min;
  EXPECT_EQ(answer(send(), status(409)).item.state, QueueState::pending);  // the first may be at work
  now_ += 10min;
  EXPECT_EQ(answer(send(), status(200)).item.state, QueueState::done);
}

TEST_F(QueueEngineTest, ARefusalIsADeadLetterAndLetsTheNextGo) {
  start();
  accept(item("a"));
  accept(item("a"));
  EXPECT_EQ(answer(send(), status(422)).item.reason, QueueDeadReason::refused);
  EXPECT_EQ(answer(send(), status(200)).item.stream, journal::StreamId(2));
}

TEST_F(QueueEngineTest, WhatIsHeldBackSpendsNoAttempt) {
  policy_.retry.attempts = 1;
  start();
  accept(item());
  accept(item());
  const auto held = answer(send(), {.kind = Kind::held_back, .retry_after = 20s});
  EXPECT_EQ(held.item.state, QueueState::pending);
  EXPECT_EQ(held.item.attempts, 0U);
  EXPECT_EQ(held.item.certainty, Certainty::never_sent);
  now_ += 18s;
  EXPECT_TRUE(begin().empty());
  const std::uint64_t probe = send();  // one alone
  EXPECT_TRUE(begin().empty());
  answer(probe, status(200));
  EXPECT_EQ(begin().size(), 1U);
}

TEST_F(QueueEngineTest, GivesUpAfterItsAttempts) {
  policy_.retry.attempts = 2;
  start();
  accept(item());
  EXPECT_EQ(answer(send(), status(503)).item.state, QueueState::pending);
  now_ += 10min;
  EXPECT_EQ(answer(send(), status(503)).item.reason, QueueDeadReason::exhausted);
}

TEST_F(QueueEngineTest, GivesUpWhatIsTooOld) {
  start();
  accept(item());
  now_ += policy_.age;
  step(queue_input::Timer{});
  EXPECT_EQ(appended().item.reason, QueueDeadReason::expired);
}

TEST_F(QueueEngineTest, DrainsAtItsPaceAndNotWhileTheBreakerIsOpen) {
  start();
  for (int i = 0; i < 3; ++i) {
    accept(item());
  }
  const auto begun_after = [&](Duration time) {
    now_ += time;
    step(queue_input::Timer{});
    return take<queue_effect::Append>().size();
  };
  EXPECT_EQ(begun_after(1min), 0U);  // the gate is closed
  step(queue_input::Weather{.gate = QueueGate::open, .pace = 2});
  EXPECT_EQ(begun_after(500ms), 1U);  // within the jitter of a start
  EXPECT_EQ(begun_after(499ms), 0U);
  EXPECT_EQ(begun_after(1ms), 1U);
  step(queue_input::Weather{.gate = QueueGate::closed, .pace = 2});
  EXPECT_EQ(begun_after(1min), 0U);
}

TEST_F(QueueEngineTest, RefusesWhatIsBeyondItsBound) {
  policy_.items = 2;
  start({.open = {}, .dead = 1});
  accept(item());
  take<queue_effect::Reply>();
  step(queue_input::Offer{.waiter = 2, .item = item(), .request = std::make_shared<AcceptedRecord>()});
  const auto replies = take<queue_effect::Reply>();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].offer, QueueOffer::full);
  EXPECT_EQ(counters_.offers[static_cast<std::size_t>(QueueOffer::full)].read(), 1U);
}

TEST_F(QueueEngineTest, RefusesBytesBeyondItsBound) {
  policy_.bytes = 15;
  start();
  accept(item());
  take<queue_effect::Reply>();
  step(queue_input::Offer{.waiter = 2, .item = item(), .request = std::make_shared<AcceptedRecord>()});
  EXPECT_EQ(take<queue_effect::Reply>().at(0).offer, QueueOffer::full);
}

TEST_F(QueueEngineTest, AfterARestartAnInterruptedAttemptIsUnknown) {
  QueueItem safe = item();
  QueueItem unsafe = item({}, false);
  for (QueueItem* each : {&safe, &unsafe}) {
    each->stream = journal::StreamId(++streams_);
    each->version = 2;
    each->state = QueueState::sending;
    each->certainty = Certainty::unknown;
    each->attempts = 1;
  }
  start({.open = {safe, unsafe}, .dead = 0});
  const auto dead = appended();
  EXPECT_EQ(dead.item.stream, journal::StreamId(2));
  EXPECT_EQ(dead.item.reason, QueueDeadReason::unknown);
  EXPECT_EQ(answer(send(), status(200)).item.attempts, 2U);
}

TEST_F(QueueEngineTest, APersonSendsADeadLetterAgain) {
  start();
  accept(item({}, false));
  QueueItem dead = answer(send(), {.kind = Kind::lost}).item;
  take<queue_effect::Reply>();
  step(queue_input::Operate{.waiter = 9, .verb = QueueVerb::retry, .item = dead, .who_why = "me"});
  const auto requeued = appended();
  EXPECT_EQ(requeued.type, QueueRecord::requeued);
  EXPECT_TRUE(requeued.item.forced);
  EXPECT_TRUE(take<queue_effect::Reply>().at(0).done);
  EXPECT_EQ(engine_->view().dead, 0U);
  // Once: if that leaves it unknown too, it is a dead letter again.
  EXPECT_EQ(answer(send(), {.kind = Kind::lost}).item.reason, QueueDeadReason::unknown);
}

TEST_F(QueueEngineTest, APersonRemovesWhatWaitsButNotWhatIsUnderWay) {
  start();
  accept(item("a"));
  const QueueItem first = *engine_->find(Ulid{1, 1});
  const std::uint64_t token = send();
  take<queue_effect::Reply>();
  step(queue_input::Operate{.waiter = 9, .verb = QueueVerb::remove, .item = first, .who_why = {}});
  auto replies = take<queue_effect::Reply>();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_FALSE(replies[0].done);
  EXPECT_EQ(replies[0].detail, "an attempt is under way");
  EXPECT_EQ(answer(token, status(503)).item.state, QueueState::pending);
  step(queue_input::Operate{.waiter = 9, .verb = QueueVerb::remove, .item = first, .who_why = {}});
  EXPECT_EQ(appended().item.state, QueueState::removed);
  EXPECT_TRUE(take<queue_effect::Reply>().at(0).done);
  EXPECT_EQ(engine_->view().open, 0U);
}

TEST_F(QueueEngineTest, AnAppendThatMayHaveBeenWrittenIsReadAnew) {
  start();
  accept(item("a"));
  const auto appends = begin();
  take<queue_effect::Reply>();
  step(queue_input::Offer{.waiter = 3, .item = item(), .request = std::make_shared<AcceptedRecord>()});
  step(queue_input::AppendFailed{
      .op = appends.at(0).op, .what = queue_input::AppendFailed::What::unknown, .holder = {}, .detail = {}});
  EXPECT_EQ(take<queue_effect::Reload>().size(), 1U);
  const auto replies = take<queue_effect::Reply>();
  ASSERT_EQ(replies.size(), 1U);  // the offer that was under way may have been kept
  EXPECT_EQ(replies[0].offer, QueueOffer::failed);
  EXPECT_TRUE(replies[0].maybe_kept);
  EXPECT_FALSE(engine_->loaded());
}

TEST_F(QueueEngineTest, AnotherOwnerEndsIt) {
  start();
  accept(item());
  step(queue_input::AppendFailed{.op = begin().at(0).op,
                                 .what = queue_input::AppendFailed::What::stale_epoch,
                                 .holder = {},
                                 .detail = {}});
  EXPECT_EQ(take<queue_effect::Stop>().size(), 1U);
  take<queue_effect::Reply>();
  step(queue_input::Offer{.waiter = 3, .item = item(), .request = std::make_shared<AcceptedRecord>()});
  EXPECT_EQ(take<queue_effect::Reply>().at(0).offer, QueueOffer::failed);
  EXPECT_TRUE(take<queue_effect::Append>().empty());
}

}  // namespace
}  // namespace flotilla::events
