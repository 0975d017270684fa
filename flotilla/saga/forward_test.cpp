#include "flotilla/saga/forward.hpp"

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;

constexpr SagaId kSaga{.high = 7, .low = 9};

// As it comes out of the bytes that are sent.
template <class Request>
Request sent(const Request& request) {
  const auto bytes = json::write(write_forwarded(request));
  const auto read = read_forwarded(json::parse(bytes).value());
  EXPECT_TRUE(read) << bytes;
  return std::get<Request>(read.value());
}

template <class T>
Asked<T> answered(const Asked<T>& answer) {
  return read_answer<T>(json::parse(json::write(write_answer(answer))).value());
}

TEST(Forward, ARequestArrivesAsItWas) {
  const auto start =
      sent(StartRequest{.name = "order",
                        .principal = "api",
                        .key = "k \"1\"",
                        .input = json::parse(R"({"total":1.10,"big":9007199254740993})").value(),
                        .trace = "00-1",
                        .correlation = "c",
                        .wait = 1500ms});
  EXPECT_EQ(start.name + start.principal + start.key + start.trace + start.correlation,
            "orderapik \"1\"00-1c");
  EXPECT_EQ(json::write(start.input), R"({"total":1.10,"big":9007199254740993})");
  EXPECT_EQ(start.wait, 1500ms);

  const auto cancel = sent(CancelRequest{.saga = kSaga, .who = "w", .why = "y"});
  EXPECT_EQ(cancel.saga, kSaga);
  EXPECT_EQ(cancel.who + cancel.why, "wy");

  const auto signal = sent(SignalRequest{.saga = kSaga, .name = "go", .id = "i", .payload = json::Value(3)});
  EXPECT_EQ(signal.name + signal.id, "goi");
  EXPECT_EQ(signal.payload.as_int(), 3);

  OperateRequest asked{.saga = kSaga,
                       .verb = Verb::set_result,
                       .step = "s",
                       .who = "w",
                       .why = "y",
                       .expected_seq = 12,
                       .payload = json::Value("out"),
                       .version = "v"};
  auto operate = sent(asked);
  EXPECT_EQ(operate.verb, Verb::set_result);
  EXPECT_EQ(operate.step + operate.who + operate.why + operate.version, "swyv");
  EXPECT_EQ(operate.expected_seq, 12U);
  EXPECT_EQ(operate.payload.as_string(), "out");
  asked.expected_seq.reset();
  EXPECT_FALSE(sent(asked).expected_seq);
}

TEST(Forward, ACallbacksBodyNeedsToBeNoText) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
  }
  const auto callback = sent(CallbackRequest{.key = "sg1-x", .outcome = "refused", .body = bytes});
  EXPECT_EQ(callback.key + callback.outcome, "sg1-xrefused");
  EXPECT_EQ(callback.body, bytes);
}

TEST(Forward, AnAnswerArrivesAsItWas) {
  const SagaView view{
      .id = kSaga, .state = "running", .terminal = false, .body = json::parse("{\"a\":1}").value()};
  const auto started = answered(Asked<StartResult>(StartResult{.saga = view, .existing = true}));
  ASSERT_TRUE(started);
  EXPECT_TRUE(started->existing);
  EXPECT_EQ(started->saga.id, kSaga);
  EXPECT_EQ(started->saga.state, "running");
  EXPECT_FALSE(started->saga.terminal);
  EXPECT_EQ(json::write(started->saga.body), "{\"a\":1}");
  EXPECT_TRUE(
      answered(Asked<CancelResult>(CancelResult{.saga = view, .pivot_decides = true}))->pivot_decides);
  EXPECT_TRUE(answered(Asked<SignalResult>(SignalResult{.duplicate = true}))->duplicate);
  EXPECT_TRUE(answered(Asked<SagaView>(view)));
  EXPECT_TRUE(answered(Asked<std::monostate>(std::monostate())));

  const auto refused = answered(Asked<StartResult>(std::unexpected(SagaProblem{
      .reason = Reason::conflict, .detail = "a lock is held", .status = 423, .retry_after = 2s})));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::conflict);
  EXPECT_EQ(refused.error().detail, "a lock is held");
  EXPECT_EQ(refused.error().status, 423);
  EXPECT_EQ(refused.error().retry_after, 2s);
}

TEST(Forward, RefusesWhatItNeverWrote) {
  for (const std::string_view text :
       {"{}", "[]", "1", R"({"op":"forget"})", R"({"op":"cancel"})", R"({"op":"cancel","saga":"x"})",
        R"({"op":"operate","saga":"0000000000000E000000000009","verb":"eat"})",
        R"({"op":"callback","key":"k","body":"%x"})"}) {
    EXPECT_FALSE(read_forwarded(json::parse(text).value())) << text;
  }
  EXPECT_EQ(read_answer<SagaView>(json::Value::object()).error().reason, Reason::bad_answer);
}

TEST(Forward, TheSealDependsOnEveryByteAndTheSecret) {
  const KeyMaterial ours{.words = {1, 2}};
  EXPECT_EQ(seal(ours, "{}"), seal(ours, "{}"));
  EXPECT_NE(seal(ours, "{}"), seal(ours, "{ }"));
  EXPECT_NE(seal(ours, "{}"), seal({.words = {1, 3}}, "{}"));
}

}  // namespace
}  // namespace flotilla::saga
