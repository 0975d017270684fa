#include "flotilla/http/core/problem.hpp"

#include <gtest/gtest.h>

#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/status.hpp"

namespace flotilla::http {
namespace {

TEST(Problem, BodyHasWhatIsKnownAndNothingElse) {
  EXPECT_EQ(problem_body({.reason = Reason::no_route}),
            std::string{R"({"type":"urn:flotilla:no-route","title":")"} +
                std::string{title(Reason::no_route)} + R"(","status":404,"reason":"no-route"})");
  const std::string full = problem_body({.reason = Reason::timeout,
                                         .status = 504,
                                         .detail = "after \"5s\"\n",
                                         .service = "user-service",
                                         .effect = Effect::unknown,
                                         .retry_after = 3});
  EXPECT_TRUE(
      full.ends_with(R"("status":504,"detail":"after \"5s\"\n","reason":"timeout","service":"user-service",)"
                     R"("effect":"unknown","retry_after":3})"))
      << full;
}

TEST(Problem, ResponseParsesAndIsMarkedAsOurs) {
  std::string out;
  const HeaderLine extra[] = {{"Allow", "GET, HEAD"}};
  append_problem_response(out, {.reason = Reason::method_not_allowed, .retry_after = 9},
                          {.keep_alive = false, .date = "D", .server = "s", .extra = extra});
  ResponseHead head;
  const ParseOutcome outcome = parse_response_head(out, {}, Method::get, head);
  ASSERT_TRUE(outcome.done());
  EXPECT_EQ(head.status, 405);
  EXPECT_EQ(head.reason, "Method Not Allowed");
  EXPECT_EQ(head.get(FieldId::content_type), "application/problem+json");
  EXPECT_EQ(head.get(FieldId::flotilla_error), "method-not-allowed");
  EXPECT_EQ(head.get(FieldId::retry_after), "9");
  EXPECT_EQ(head.get(FieldId::allow), "GET, HEAD");
  EXPECT_FALSE(head.keep_alive);
  EXPECT_EQ(head.framing.length, out.size() - outcome.consumed);
}

TEST(Problem, HeadHasTheLengthButNoBody) {
  std::string out;
  append_problem_response(out, {.reason = Reason::no_route},
                          {.head_request = true, .client_version = Version::http_1_0});
  EXPECT_TRUE(out.ends_with("\r\n\r\n"));
  EXPECT_NE(out.find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_EQ(out.find("Content-Length: 0"), std::string::npos);
}

TEST(Problem, RetryAfterIsWholeSecondsButForOurOwnTick) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  EXPECT_EQ(retry_after_seconds(Duration::zero()), std::nullopt);
  EXPECT_EQ(retry_after_seconds(milliseconds(1)), 1U);
  EXPECT_EQ(retry_after_seconds(seconds(10)), 10U);
  EXPECT_EQ(retry_after_seconds(seconds(10) + milliseconds(1)), 10U);  // a breaker's `open: 10s`, rounded up
  EXPECT_EQ(retry_after_seconds(seconds(10) + milliseconds(2)), 11U);
  EXPECT_EQ(retry_after_seconds(std::chrono::hours(100)), 86'400U);
}

TEST(Problem, DetailMayQuoteAnything) {
  const std::string body =
      problem_body({.reason = Reason::malformed, .detail = "\xff \xc3\xa9 \xe2\x82 \"\x01"});
  EXPECT_NE(body.find("\"detail\":\"\xEF\xBF\xBD \xc3\xa9 \xEF\xBF\xBD\xEF\xBF\xBD \\\"\\u0001\""),
            std::string::npos)
      << body;
}

TEST(Status, EveryStatusWeAnswerHasAPhrase) {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    EXPECT_FALSE(reason_phrase(default_status(static_cast<Reason>(i))).empty()) << i;
  }
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_TRUE(status_has_no_body(204));
  EXPECT_FALSE(status_has_no_body(205));
}

}  // namespace
}  // namespace flotilla::http
