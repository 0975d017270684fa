// Who gets a thread, who waits for one, and what becomes of those who get none.
#include "flotilla/saga/function_carrier.hpp"

#include <semaphore>

#include <gtest/gtest.h>

#include "flotilla/saga/runner_rig.hpp"

namespace flotilla::saga {
namespace {

// One thread, whose function waits until it is let go.
class FunctionCarrierTest : public testing::Test {
 protected:
  FunctionCarrierTest() {
    StepFunctions functions{{"s/1/step", [this](const StepCall& call) {
                               go_.acquire();
                               const std::lock_guard lock(mutex_);
                               called_.push_back(call.key);
                               return Outcome::done();
                             }}};
    loop_.run(
        [&] { carrier_ = std::make_unique<FunctionCarrier>(loop_.loop(), std::move(functions), 1, 2); });
  }
  ~FunctionCarrierTest() override {
    loop_.run([this] { scope_.cancel_all(); });
    go_.release(100);
    carrier_->close();
    loop_.run([this] { carrier_.reset(); });
  }

  static effect::Send send(std::string key, std::string target = "/1/step") {
    return {.saga = {},
            .token = 7,
            .request = std::make_shared<const RenderedRequest>(
                RenderedRequest{.method = "POST", .service = "s", .target = std::move(target), .body = "{}"}),
            .key = std::move(key),
            .headers = {{"saga-step", "step"}},
            .timeout = test::kPatience};
  }
  // Carries it on the loop; its answer comes with `answers_`.
  void carry(effect::Send send, bool wanted = true) {
    loop_.run([&] { child_ = scope_.spawn(one(*this, std::move(send), wanted)); });
  }
  static net::Task<> one(FunctionCarrierTest& self, effect::Send send, bool wanted) {
    input::Answer answer = co_await self.carrier_->carry(send, "", [wanted] { return wanted; });
    const std::lock_guard lock(self.mutex_);
    self.answers_.emplace_back(send.key, std::move(answer));
    self.answered_.release();
  }
  // Waits for the next one.
  std::pair<std::string, input::Answer> answer() {
    answered_.acquire();
    const std::lock_guard lock(mutex_);
    return answers_[taken_++];
  }

  test::LoopThread loop_;
  std::unique_ptr<FunctionCarrier> carrier_;
  net::Scope scope_;
  net::Scope::Child child_;
  std::counting_semaphore<> go_{0};
  std::counting_semaphore<> answered_{0};
  std::mutex mutex_;
  std::vector<std::pair<std::string, input::Answer>> answers_;  // guarded by mutex_, as the next
  std::vector<std::string> called_;
  std::size_t taken_ = 0;
};

TEST_F(FunctionCarrierTest, GivesTheThreadInTheOrderOfComing) {
  for (const char* key : {"one", "two", "three"}) {
    carry(send(key));
  }
  go_.release(3);
  for (const char* key : {"one", "two", "three"}) {
    const auto [of, got] = answer();
    EXPECT_EQ(of, key);
    EXPECT_EQ(got.token, 7U);
    EXPECT_EQ(got.head.status, 200);
    EXPECT_EQ(got.head.outcome, "ok");
  }
}

TEST_F(FunctionCarrierTest, HoldsBackWhatFindsNoPlaceToWait) {
  for (const char* key : {"runs", "waits", "waits too", "too many"}) {
    carry(send(key));
  }
  const auto [key, got] = answer();
  EXPECT_EQ(key, "too many");
  EXPECT_TRUE(got.held_back);
  EXPECT_EQ(got.head.kind, AnswerHead::Kind::not_sent);
  go_.release(3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer().second.head.status, 200);
  }
}

TEST_F(FunctionCarrierTest, CallsNothingThatIsNotWantedAnyMore) {
  carry(send("runs"));
  carry(send("not wanted"), false);
  carry(send("waits"));
  go_.release(2);
  EXPECT_EQ(answer().first, "runs");
  const auto [key, got] = answer();
  EXPECT_EQ(key, "not wanted");
  EXPECT_TRUE(got.held_back);
  EXPECT_EQ(answer().first, "waits");
  EXPECT_EQ(called_, (std::vector<std::string>{"runs", "waits"}));
}

TEST_F(FunctionCarrierTest, PassesThePlaceOfOneWhoLeavesOn) {
  carry(send("runs"));
  carry(send("leaves"));
  loop_.run([this] { scope_.cancel(child_); });
  carry(send("waits"));
  carry(send("waits too"));
  go_.release(3);
  EXPECT_EQ(answer().first, "runs");
  EXPECT_EQ(answer().first, "waits");
  EXPECT_EQ(answer().first, "waits too");
}

TEST_F(FunctionCarrierTest, SaysWhichFunctionItHasNot) {
  carry(send("key", "/2/step/undo"));
  const auto [key, got] = answer();
  EXPECT_EQ(got.head.status, 501);
  EXPECT_NE(got.head.note.find("s/2/step/undo"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::saga
