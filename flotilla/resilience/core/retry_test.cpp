#include "flotilla/resilience/core/retry.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace flotilla::resilience {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

RetryPolicy everything() {
  RetryPolicy policy;
  policy.attempts = 3;
  for (std::size_t i = 0; i < kRetryReasons; ++i) {
    policy.reasons.add(static_cast<RetryReason>(i));
  }
  return policy;
}

// An attempt that may be retried: what each test then takes away.
FailedAttempt retryable() {
  FailedAttempt failed;
  failed.reason = RetryReason::status_503;
  failed.idempotent_method = true;
  return failed;
}

std::string verdict(const RetryPolicy& policy, const FailedAttempt& failed) {
  Random random(1);
  const RetryDecision decision = decide(policy, failed, random);
  if (decision.retry) {
    return decision.free ? "free" : "retry";
  }
  return std::string(to_string(decision.why));
}

TEST(RetrySafety, FollowsTheTable) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/resilience/testdata/retry_table.txt");
  int rows = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    SCOPED_TRACE(line);
    std::istringstream in(line);
    std::string reason;
    std::string how;
    std::string request;
    std::string expected;
    in >> reason >> how >> request >> expected;
    const auto parsed = parse_retry_reason(reason);
    ASSERT_TRUE(parsed.has_value());
    FailedAttempt failed;
    failed.reason = *parsed;
    failed.bytes_sent = how.find("unsent") == std::string::npos;
    failed.answer_begun = how.find("begun") != std::string::npos;
    failed.reused_connection = how.find("reused") != std::string::npos;
    failed.idempotent_method = request == "get";
    failed.idempotency_key = request == "key";
    EXPECT_EQ(verdict(everything(), failed), expected);
    ++rows;
  }
  EXPECT_EQ(rows, 30);
}

TEST(RetrySafety, NothingOutsideThePolicyIsRetried) {
  FailedAttempt failed = retryable();
  failed.reason = RetryReason::timeout;
  EXPECT_EQ(verdict(RetryPolicy{}, failed), "reason");
  for (const RetryReason reason : {RetryReason::connect_failure, RetryReason::refused_stream,
                                   RetryReason::reset, RetryReason::status_503}) {
    failed.reason = reason;
    EXPECT_NE(verdict(RetryPolicy{}, failed), "reason");
  }
}

TEST(RetrySafety, NothingAfterAnAnswerWentDownstreamOrWithoutTheBody) {
  for (std::size_t i = 0; i < kRetryReasons; ++i) {
    FailedAttempt failed = retryable();
    failed.reason = static_cast<RetryReason>(i);
    failed.replayable_body = false;
    EXPECT_EQ(verdict(everything(), failed), "body");
    failed.answer_committed = true;
    EXPECT_EQ(verdict(everything(), failed), "committed");
  }
}

TEST(Retry, AttemptsIncludeTheFirstAndOneFreeRetryComesOnTop) {
  FailedAttempt failed = retryable();
  failed.attempts = 2;
  EXPECT_EQ(verdict(everything(), failed), "retry");
  failed.attempts = 3;
  EXPECT_EQ(verdict(everything(), failed), "attempts");
  failed.reason = RetryReason::refused_stream;
  EXPECT_EQ(verdict(everything(), failed), "free");
  failed.free_retry_used = true;
  EXPECT_EQ(verdict(everything(), failed), "attempts");
  RetryPolicy once = everything();
  once.attempts = 1;
  failed.attempts = 1;
  failed.free_retry_used = false;
  EXPECT_EQ(verdict(once, failed), "attempts");
}

TEST(Retry, NeverPastTheDeadline) {
  RetryPolicy policy = everything();
  policy.first = policy.cap = seconds(1);
  Random random(7);
  int retried = 0;
  for (int i = 0; i < 1000; ++i) {
    FailedAttempt failed = retryable();
    failed.remaining = milliseconds(500);
    failed.typical = milliseconds(100);
    const RetryDecision decision = decide(policy, failed, random);
    if (decision.retry) {
      EXPECT_LE(decision.delay + failed.typical, failed.remaining);
      ++retried;
    } else {
      EXPECT_EQ(decision.why, GiveUp::deadline);
    }
  }
  EXPECT_GT(retried, 300);  // delays are uniform below 1 s, 400 ms are left
  EXPECT_LT(retried, 500);
  FailedAttempt failed = retryable();
  failed.reason = RetryReason::refused_stream;
  failed.remaining = Duration::zero();
  EXPECT_EQ(verdict(policy, failed), "deadline");
}

TEST(Retry, ThePeersWishReplacesTheDelay) {
  RetryPolicy policy = everything();
  Random random(7);
  for (int i = 0; i < 100; ++i) {
    FailedAttempt failed = retryable();
    failed.retry_after = seconds(2);
    const RetryDecision decision = decide(policy, failed, random);
    ASSERT_TRUE(decision.retry);
    EXPECT_GE(decision.delay, Duration(seconds(2)));
    EXPECT_LT(decision.delay, Duration(seconds(2)) + policy.first / 2);
    failed.retry_after = Duration(-1);
    EXPECT_EQ(decide(policy, failed, random).why, GiveUp::pushback);
    failed.retry_after = std::chrono::hours(9);
    EXPECT_LT(decide(policy, failed, random).delay, Duration(seconds(61)));
    failed.remaining = seconds(5);
    EXPECT_EQ(decide(policy, failed, random).why, GiveUp::deadline);
  }
}

TEST(Backoff, GrowsToItsCapAndIsFullyJittered) {
  RetryPolicy policy;
  policy.first = milliseconds(25);
  policy.cap = milliseconds(250);
  const std::array<int, 6> ceilings{25, 50, 100, 200, 250, 250};
  Random random(3);
  for (std::uint32_t n = 1; n <= ceilings.size(); ++n) {
    const Duration ceiling = milliseconds(ceilings[n - 1]);
    EXPECT_EQ(backoff_ceiling(policy, n), ceiling);
    Duration sum{0};
    for (int i = 0; i < 2000; ++i) {
      const Duration d = backoff(policy, n, random);
      ASSERT_GE(d, Duration::zero());
      ASSERT_LT(d, ceiling);
      sum += d;
    }
    EXPECT_NEAR(static_cast<double>(sum.count()) / 2000, static_cast<double>(ceiling.count()) / 2,
                static_cast<double>(ceiling.count()) / 20);
  }
  EXPECT_EQ(backoff_ceiling(policy, 4'000'000'000U), Duration(milliseconds(250)));
  policy.first = policy.cap = Duration::zero();
  EXPECT_EQ(backoff(policy, 4'000'000'000U, random), Duration::zero());
}

TEST(RetryPolicyCheck, RefusesWhatMakesNoSense) {
  const auto refused = [](auto change) {
    RetryPolicy policy;
    change(policy);
    return !check(policy).has_value();
  };
  EXPECT_TRUE(check(RetryPolicy{}).has_value());
  EXPECT_TRUE(refused([](RetryPolicy& p) { p.attempts = 0; }));
  EXPECT_TRUE(refused([](RetryPolicy& p) { p.attempts = 101; }));
  EXPECT_TRUE(refused([](RetryPolicy& p) { p.first = seconds(1); }));
  EXPECT_TRUE(refused([](RetryPolicy& p) { p.factor = 0.5; }));
}

TEST(RetryReason, NamesAreReadBack) {
  for (std::size_t i = 0; i < kRetryReasons; ++i) {
    const auto reason = static_cast<RetryReason>(i);
    EXPECT_EQ(parse_retry_reason(to_string(reason)), reason);
  }
  EXPECT_FALSE(parse_retry_reason("500").has_value());
  EXPECT_EQ(retry_reason_of_status(503), RetryReason::status_503);
  EXPECT_FALSE(retry_reason_of_status(500).has_value());
}

}  // namespace
}  // namespace flotilla::resilience
