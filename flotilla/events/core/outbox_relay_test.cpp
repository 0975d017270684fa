// The relay of an outbox, a step at a time: what a person can read beside the simulation.
#include "flotilla/events/core/outbox_relay.hpp"

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

using namespace std::chrono_literals;
using outbox_input::Answer;
using Kind = Answer::Kind;

class OutboxRelayTest : public testing::Test {
 protected:
  void make(OutboxPolicy policy = {}) {
    relay_.emplace(policy, 1);
    step(outbox_input::Woken{});
    EXPECT_TRUE(std::holds_alternative<outbox_effect::Connect>(effects_.at(0)));
    step(outbox_input::Connected{});
  }
  void step(OutboxInput input) {
    effects_.clear();
    relay_->step(now_, std::move(input), effects_);
  }
  static OutboxRow row(std::uint64_t position, std::uint64_t xid, std::string topic, std::string key) {
    return {.position = position,
            .xid = xid,
            .topic = std::move(topic),
            .id = "e" + std::to_string(position),
            .key = std::move(key),
            .type = {},
            .headers = {},
            .data = "1",
            .written = {},
            .bytes = 1};
  }
  void page(std::vector<OutboxRow> rows, std::uint64_t horizon = 1000) {
    step(outbox_input::Page{.rows = std::move(rows), .horizon = horizon, .beyond = 2000, .more = false});
  }
  void answer(std::uint64_t request, Kind kind, std::optional<Duration> retry_after = {}) {
    step(Answer{
        .request = request, .kind = kind, .duplicates = 0, .retry_after = retry_after, .detail = "why"});
  }
  template <class Effect>
  const Effect& only() {
    EXPECT_EQ(effects_.size(), 1U);
    return std::get<Effect>(effects_.at(0));
  }
  template <class Effect>
  std::vector<Effect> all() {
    std::vector<Effect> found;
    for (const OutboxEffect& effect : effects_) {
      if (const auto* const one = std::get_if<Effect>(&effect)) {
        found.push_back(*one);
      }
    }
    return found;
  }

  Instant now_ = Instant{} + 1h;
  std::optional<OutboxRelay> relay_;
  std::vector<OutboxEffect> effects_;
};

TEST_F(OutboxRelayTest, PublishesThenForgetsThenLooksAgain) {
  make();
  EXPECT_EQ(only<outbox_effect::Read>().limit, 500U);
  page({row(1, 10, "a", "k"), row(2, 10, "b", "k"), row(3, 11, "a", "k")});
  const auto published = all<outbox_effect::Publish>();
  ASSERT_EQ(published.size(), 2U);
  EXPECT_EQ(published[0].topic, "a");
  EXPECT_EQ(published[0].events.size(), 2U);
  EXPECT_EQ(published[1].events.size(), 1U);
  answer(published[1].request, Kind::published);
  EXPECT_TRUE(effects_.empty()) << "nothing is deleted while something is under way";
  answer(published[0].request, Kind::published);
  EXPECT_EQ(only<outbox_effect::Forget>().positions, (std::vector<std::uint64_t>{2, 1, 3}));
  step(outbox_input::Forgotten{});
  (void)only<outbox_effect::Read>();
  page({});
  EXPECT_EQ(only<outbox_effect::Wait>().longest, Duration(20ms));
  EXPECT_EQ(relay_->counters().published, 3U);
  EXPECT_EQ(relay_->counters().forgotten, 3U);
}

TEST_F(OutboxRelayTest, StopsBeforeTheFirstRowThatAnOpenTransactionMayPrecede) {
  make();
  page({row(1, 10, "a", "k"), row(2, 40, "a", "k"), row(3, 11, "a", "k"), row(4, 5000, "a", "k")}, 20);
  EXPECT_EQ(only<outbox_effect::Publish>().events.size(), 1U);
  EXPECT_EQ(relay_->counters().behind_horizon, 1U);
  answer(1, Kind::published);
  step(outbox_input::Forgotten{});
  page({row(4, 5000, "a", "k")}, 20);  // of another database: its transaction has long ended
  EXPECT_EQ(only<outbox_effect::Publish>().events.size(), 1U);
}

TEST_F(OutboxRelayTest, HalvesWhatIsRefusedAndHoldsTheRowsKey) {
  make();
  page({row(1, 10, "a", "good"), row(2, 10, "a", "bad"), row(3, 10, "a", "bad"), row(4, 10, "a", "good")});
  answer(1, Kind::refused);  // all four
  EXPECT_EQ(only<outbox_effect::Publish>().events.size(), 2U);
  answer(2, Kind::refused);    // 1 and 2
  answer(3, Kind::published);  // 1
  answer(4, Kind::refused);    // 2: it is the one
  const auto told = all<outbox_effect::Tell>();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].id, "e2");
  EXPECT_EQ(told[0].detail, "why");
  const auto next = all<outbox_effect::Publish>();
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(next[0].events.size(), 1U) << "4, without 3";
  answer(next[0].request, Kind::published);
  EXPECT_EQ(only<outbox_effect::Forget>().positions, (std::vector<std::uint64_t>{1, 4}));
  step(outbox_input::Forgotten{});
  EXPECT_EQ(only<outbox_effect::Read>().keys, (std::vector<std::string>{"a/bad"}));
  page({});
  now_ += 2s;
  step(outbox_input::Woken{});
  EXPECT_TRUE(only<outbox_effect::Read>().keys.empty()) << "it is offered again";
  page({row(2, 10, "a", "bad"), row(3, 10, "a", "bad")});
  answer(all<outbox_effect::Publish>().at(0).request, Kind::published);
  EXPECT_EQ(relay_->held(), 0U);
}

TEST_F(OutboxRelayTest, HoldsARowWithoutAKeyByItself) {
  make();
  OutboxRow strange = row(7, 10, "#1", "");
  strange.key.reset();
  strange.id = "";
  OutboxRow other = row(8, 10, "#1", "");
  other.key.reset();
  OutboxRow keyed = row(9, 10, "#1", "k");
  keyed.id = "";
  page({strange, other, keyed});
  EXPECT_EQ(all<outbox_effect::Publish>().at(0).events.size(), 1U);
  answer(1, Kind::published);
  step(outbox_input::Forgotten{});
  EXPECT_EQ(only<outbox_effect::Read>().positions, (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(only<outbox_effect::Read>().keys, (std::vector<std::string>{"#1/k"}));
}

TEST_F(OutboxRelayTest, LeavesATopicThatFailsAloneForAsLongAsItIsAsked) {
  make();
  page({row(1, 10, "a", "k"), row(2, 10, "b", "k")});
  answer(1, Kind::unavailable, 3s);
  answer(2, Kind::published);
  step(outbox_input::Forgotten{});
  EXPECT_EQ(only<outbox_effect::Read>().topics, (std::vector<std::string>{"a"}));
  page({});
  now_ += 2999ms;
  step(outbox_input::Woken{});
  EXPECT_EQ(only<outbox_effect::Read>().topics.size(), 1U);
  page({});
  now_ += 1ms;
  step(outbox_input::Woken{});
  EXPECT_TRUE(only<outbox_effect::Read>().topics.empty());
}

TEST_F(OutboxRelayTest, ReadsNothingAtTheBoundOfWhatIsHeld) {
  make({.held = 2});
  OutboxRow first = row(1, 10, "a", "k1");
  OutboxRow second = row(2, 10, "a", "k2");
  first.data = second.data = "no JSON";
  page({first, second});
  EXPECT_EQ(all<outbox_effect::Tell>().size(), 2U);
  step(outbox_input::Woken{});
  EXPECT_EQ(all<outbox_effect::Read>().size(), 0U);
  EXPECT_EQ(all<outbox_effect::Tell>().at(0).what, outbox_effect::Tell::What::at_bound);
  EXPECT_EQ(all<outbox_effect::Wait>().size(), 1U);
  EXPECT_EQ(relay_->counters().at_bound, 1U);
}

TEST_F(OutboxRelayTest, FinishesWhatIsUnderWayWhenItIsToldToStop) {
  make({.batch = 1});
  page({row(1, 10, "a", "k"), row(2, 10, "a", "k")});
  step(outbox_input::Stop{});
  EXPECT_TRUE(effects_.empty());
  answer(1, Kind::published);
  EXPECT_EQ(only<outbox_effect::Forget>().positions, (std::vector<std::uint64_t>{1}));
  step(outbox_input::Forgotten{});
  (void)only<outbox_effect::Stopped>();
}

TEST_F(OutboxRelayTest, ReadsAgainWhatWasAcknowledgedWhenTheConnectionIsLost) {
  make();
  page({row(1, 10, "a", "k")});
  answer(1, Kind::published);
  step(outbox_input::DatabaseFailed{"gone"});
  EXPECT_EQ(all<outbox_effect::Tell>().at(0).detail, "gone");
  EXPECT_GT(all<outbox_effect::Connect>().at(0).after, Duration::zero());
  step(outbox_input::Connected{});
  page({row(1, 10, "a", "k")});
  EXPECT_EQ(only<outbox_effect::Publish>().events.size(), 1U);
}

}  // namespace
}  // namespace flotilla::events
