// What processes ask each other of queues, written and read back.
#include "flotilla/events/queue_forward.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using What = call::Taken::What;

std::string ours(std::string_view bytes) {
  return "ours " + std::to_string(std::hash<std::string_view>{}(bytes));
}
std::string theirs(std::string_view bytes) { return "theirs" + std::string(bytes.substr(0, 1)); }

call::DeferredCall charge() {
  call::DeferredCall call{.queue = {}, .service = ServiceName("pay"), .request = {}, .key = "k/1"};
  call.request = {
      .method = "POST", .target = "/charges?a=b", .headers = {}, .body = std::string("{\"n\":1}\0", 8)};
  call.request.headers.add("Idempotency-Key", "mine");
  call.resendable = true;
  call.maybe_acted = true;
  call.cause = Reason::circuit_open;
  return call;
}

json::Value over_the_wire(const json::Value& value) { return json::parse(json::write(value)).value(); }

TEST(QueueForward, ACallArrivesAsItWas) {
  const http::Request request = write_forwarded(ForwardedTake{.queue = "charges", .call = charge()}, ours);
  const auto read = read_forwarded(request, ours);
  ASSERT_TRUE(read.has_value());
  const auto& take = std::get<ForwardedTake>(*read);
  EXPECT_EQ(take.queue, "charges");
  EXPECT_EQ(take.call.service.value(), "pay");
  EXPECT_EQ(take.call.request.method, "POST");
  EXPECT_EQ(take.call.request.target, "/charges?a=b");
  EXPECT_EQ(take.call.request.body, charge().request.body);
  EXPECT_EQ(take.call.request.headers.get("Idempotency-Key"), "mine");
  EXPECT_EQ(take.call.key, "k/1");
  EXPECT_TRUE(take.call.resendable);
  EXPECT_TRUE(take.call.maybe_acted);
  EXPECT_EQ(take.call.cause, Reason::circuit_open);
}

TEST(QueueForward, SoDoesWhatPeopleAsk) {
  for (const QueueVerb verb : {QueueVerb::retry, QueueVerb::remove}) {
    const auto read = read_forwarded(
        write_forwarded(ForwardedVerb{.queue = "charges", .id = "01", .verb = verb, .who_why = "ann: why"},
                        ours),
        ours);
    ASSERT_TRUE(read.has_value());
    const auto& asked = std::get<ForwardedVerb>(*read);
    EXPECT_EQ(asked.queue, "charges");
    EXPECT_EQ(asked.id, "01");
    EXPECT_EQ(asked.verb, verb);
    EXPECT_EQ(asked.who_why, "ann: why");
  }
}

TEST(QueueForward, NobodyElseCanAsk) {
  http::Request request = write_forwarded(ForwardedTake{.queue = "charges", .call = charge()}, ours);
  EXPECT_EQ(read_forwarded(request, theirs).error().reason, Reason::forbidden);
  http::Request other = request;
  other.target = std::string(kQueueForwardPath) + "refunds/take";  // the seal is of the path, too
  EXPECT_EQ(read_forwarded(other, ours).error().reason, Reason::forbidden);
  request.body += "x";
  EXPECT_EQ(read_forwarded(request, ours).error().reason, Reason::forbidden);
  EXPECT_EQ(
      read_forwarded(
          {.method = "POST", .target = std::string(kQueueForwardPath) + "a/take", .headers = {}, .body = {}},
          ours)
          .error()
          .reason,
      Reason::forbidden);
  http::Request strange{
      .method = "POST", .target = std::string(kQueueForwardPath) + "a/b/c/d", .headers = {}, .body = {}};
  strange.headers.add("Flotilla-Seal", ours(strange.target + "\n"));
  EXPECT_EQ(read_forwarded(strange, ours).error().reason, Reason::unsupported);
}

TEST(QueueForward, AnswersComeBack) {
  for (const What what :
       {What::queued, What::duplicate, What::key_reused, What::full, What::too_large, What::failed}) {
    const call::Taken taken{.what = what, .id = "01", .status_url = {}, .detail = "why", .maybe_kept = true};
    const auto read = read_taken(over_the_wire(write_answer(taken)));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->what, what);
    EXPECT_EQ(read->id, "01");
    EXPECT_EQ(read->detail, "why");
    EXPECT_TRUE(read->maybe_kept);
  }
  EXPECT_FALSE(read_taken(json::Value(1)).has_value());
  EXPECT_FALSE(read_taken(json::Value::object({{"taken", "else"}})).has_value());
  const auto done = read_done(over_the_wire(write_answer(Asked<std::monostate>(std::monostate{}))));
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->has_value());
  const Asked<std::monostate> refused = refuse(Reason::conflict, "it is over");
  const auto read = read_done(over_the_wire(write_answer(refused)));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->error().reason, Reason::conflict);
  EXPECT_EQ(read->error().detail, "it is over");
  EXPECT_FALSE(read_done(json::Value::object({{"done", false}})).has_value());
}

}  // namespace
}  // namespace flotilla::events
