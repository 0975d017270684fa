// What a process passes on to another, and reads back.
#include "flotilla/cqrs/command_forward.hpp"

#include <gtest/gtest.h>

#include "flotilla/cqrs/command_answer.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::cqrs {
namespace {

std::string header(const http::Request& request, std::string_view name) {
  return std::string(request.headers.get(name).value_or("(none)"));
}

TEST(CommandForward, CarriesAllThatWasAsked) {
  const CommandAsk ask{.principal = "gateway/public",
                       .key = R"(a "b" \c)",
                       .command = *json::parse(R"({"n":1.10})"),
                       .expected = 4,
                       .correlation = "c",
                       .causation = "d",
                       .traceparent = "t"};
  const http::Request request = forwarded_request("secret", "add", ask);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/commands/add");
  EXPECT_EQ(header(request, "Authorization"), "Bearer secret");
  EXPECT_EQ(header(request, kForwardedCommand), "gateway/public");
  EXPECT_EQ(header(request, "traceparent"), "t");
  const std::string key = header(request, "Idempotency-Key");
  const std::string match = header(request, "If-Match");
  const auto read = read_command({.key = {key}, .if_match = {match}}, request.body, "gateway/public");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->key, ask.key);
  EXPECT_EQ(read->expected, ask.expected);
  EXPECT_EQ(read->command, ask.command);
  EXPECT_FALSE(forwarded_request("", "add", {}).headers.contains("Authorization"));
}

TEST(CommandForward, ReadsBackWhatTheOwnerAnswers) {
  const CommandAnswer good{
      .outcome = CommandReply{.id = "a",
                              .version = 7,
                              .position = journal::Position(9, 3),
                              .events = {{.attributes = {{"id", "account/a/7"}, {"type", "added"}},
                                          .data = R"({"by":1.10})"}}},
      .replayed = true};
  CommandAnswer bad{.outcome = std::unexpected(CommandRefusal{.reason = Reason::refused,
                                                              .detail = "too much",
                                                              .code = "full",
                                                              .service = "bank",
                                                              .effect = Effect::none,
                                                              .retry_after = std::chrono::seconds(2)})};
  for (const CommandAnswer& answer : {good, bad}) {
    const http::Response sent = command_answer(answer);
    const http::Response again = command_answer(read_forwarded(sent));
    EXPECT_EQ(again.status, sent.status);
    EXPECT_EQ(again.body, sent.body);
    EXPECT_EQ(again.headers, sent.headers);
  }
  EXPECT_EQ(read_forwarded({.status = 200, .headers = {}, .body = "hm"}).outcome.error().effect,
            Effect::unknown);
}

}  // namespace
}  // namespace flotilla::cqrs
