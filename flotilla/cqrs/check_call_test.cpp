// What the answer to a check means. That it takes the one way out, the end-to-end test shows.
#include "flotilla/cqrs/check_call.hpp"

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

TEST(CheckCall, JudgesByTheStatus) {
  const Check check{.call = *call::CallTemplate::parse("POST stock/check"), .body = {}};
  struct {
    std::uint16_t status;
    const char* body;
    const char* reason;
    const char* code;
    const char* detail;
  } const cases[] = {
      {409, R"({"error":{"code":"out","message":"no items"}})", "refused", "out", "no items"},
      {422, R"({"code":"out","detail":"none left"})", "refused", "out", "none left"},
      {404, "<html>", "refused", "check-refused", "the check POST stock/check was answered 404"},
      {400, R"({"code":5,"error":"x"})", "refused", "check-refused",
       "the check POST stock/check was answered 400"},
      {429, "", "rate-limited", "", "the check POST stock/check was answered 429"},
      {500, R"({"code":"out"})", "bad-answer", "", "the check POST stock/check was answered 500"},
      {408, "", "bad-answer", "", "the check POST stock/check was answered 408"},
      {302, "", "bad-answer", "", "the check POST stock/check was answered 302"},
  };
  for (const auto& c : cases) {
    const auto refusal = judge_check(check, c.status, c.body);
    ASSERT_TRUE(refusal.has_value()) << c.status;
    EXPECT_EQ(to_string(refusal->reason), c.reason) << c.status;
    EXPECT_EQ(refusal->code, c.code) << c.status;
    EXPECT_EQ(refusal->detail, c.detail) << c.status;
    EXPECT_EQ(refusal->service, "stock");
  }
  EXPECT_FALSE(judge_check(check, 200, "").has_value());
  EXPECT_FALSE(judge_check(check, 204, "").has_value());
}

}  // namespace
}  // namespace flotilla::cqrs
