#include "flotilla/events/core/dead_letter.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/record.hpp"

namespace flotilla::events {
namespace {

using journal::Event;

constexpr DeliveryOrigin kOrigin{
    .subscription = "charge", .topic = "order.created", .position = journal::Position(17, 3)};

Event order() {
  return {.attributes = {{"id", "o-1"},
                         {"source", "/orders"},
                         {"type", "order.created"},
                         {"partitionkey", "7"},
                         {"datacontenttype", "application/json"}},
          .data = R"({"order_id":7,"total":1.10})"};
}

FailedDelivery refused() {
  return {.reason = DeadReason::refused,
          .code = "422",
          .body = "no\tmoney",
          .attempts = 2,
          .first = 1'764'000'000'000,
          .last = 1'764'000'001'500};
}

std::string text_of(const Event& event) {
  std::string text;
  for (const auto& [name, value] : event.attributes) {
    text += name + "=" + value + "\n";
  }
  return text + event.data;
}

TEST(DeadLetter, IsTheEventAndWhatBecameOfIt) {
  EXPECT_EQ(text_of(dead_letter_of(order(), kOrigin, refused())),
            "id=o-1\nsource=/orders\ntype=order.created\npartitionkey=7\ndatacontenttype=application/json\n"
            "deadlettergroup=charge\ndeadlettertopic=order.created\ndeadletterposition=3-17\n"
            "deadletterreason=refused\ndeadlettercode=422\ndeadletterbody=no money\ndeadletterattempts=2\n"
            "deadletterfirst=2025-11-24T16:00:00.000Z\ndeadletterlast=2025-11-24T16:00:01.500Z\n"
            R"({"order_id":7,"total":1.10})");
}

TEST(DeadLetter, OfADeadLetterSaysWhatIsTrueNow) {
  const Event once = dead_letter_of(order(), kOrigin, refused());
  const Event twice = dead_letter_of(
      once, {.subscription = "repair", .topic = "order.created.dead", .position = journal::Position(20)},
      {.reason = DeadReason::parked});
  EXPECT_EQ(twice.attribute("deadlettergroup"), "repair");
  EXPECT_EQ(twice.attribute("deadlettercode"), "");
  EXPECT_EQ(twice.attribute("deadletterattempts"), "0");
  EXPECT_EQ(twice.attribute("deadletterfirst"), "");
  EXPECT_EQ(twice.attributes.size(), 5U + 5U);
}

TEST(DeadLetter, CarriesAtMostAKibibyteOfTheAnswerAsText) {
  FailedDelivery failed = refused();
  failed.body = std::string(1022, 'x') + "\xc3\xa4\xc3\xa4" + std::string(1, '\0') + "\xff";
  EXPECT_EQ(dead_letter_of(order(), kOrigin, failed).attribute("deadletterbody"),
            std::string(1022, 'x') + "\xc3\xa4");
  EXPECT_EQ(attribute_text("a\xff\nb", 100), "a\xef\xbf\xbd b");
  EXPECT_EQ(attribute_text("a\xff", 3), "a");
}

TEST(DeadLetter, LeavesOutWhatDoesNotFitARecord) {
  Event big = order();
  big.data = std::string(journal::kMaxBody - 700, 'x');
  FailedDelivery failed = refused();
  failed.body = std::string(900, 'e');
  const Event without_answer = dead_letter_of(big, kOrigin, failed);
  EXPECT_EQ(without_answer.attribute("deadletterbody"), "");
  EXPECT_EQ(without_answer.data.size(), big.data.size());

  big.attributes.emplace_back("note", std::string(400, 'n'));
  const Event without_note = dead_letter_of(big, kOrigin, failed);
  EXPECT_EQ(without_note.attribute("note"), "");
  EXPECT_EQ(without_note.attribute("partitionkey"), "7");
  EXPECT_EQ(without_note.data.size(), big.data.size());

  big.data += std::string(690, 'x');
  const Event without_data = dead_letter_of(big, kOrigin, failed);
  EXPECT_EQ(without_data.data, "");
  EXPECT_EQ(without_data.attribute("deadletterdata"), "left-out");
  EXPECT_LE(encode(without_data).size(), journal::kMaxBody);

  Event many = order();
  while (many.attributes.size() < journal::kMaxEventAttributes) {
    many.attributes.emplace_back("x" + std::to_string(many.attributes.size()), "1");
  }
  const Event fewer = dead_letter_of(many, kOrigin, failed);
  EXPECT_LE(fewer.attributes.size(), journal::kMaxEventAttributes);
  EXPECT_EQ(fewer.data, many.data);
}

TEST(DeadLetter, SuccessPublishesTheAnswersObjectOrTheOriginalData) {
  Event original = order();
  original.attributes.emplace_back("correlationid", "web-7");
  EXPECT_EQ(text_of(success_of(original, kOrigin, "payment.success", R"({"paid":1.10})")),
            "id=3-17/success\nsource=/subscriptions/charge\ntype=payment.success\n"
            "datacontenttype=application/json\npartitionkey=7\ncorrelationid=web-7\ncausationid=o-1\n"
            R"({"paid":1.10})");
  for (const char* answer : {"", "[1]", "thanks", "{\"torn\":"}) {
    EXPECT_EQ(success_of(order(), kOrigin, "payment.success", answer).data, order().data) << answer;
  }
  const std::string long_answer = R"({"x":")" + std::string(kMaxAnswer, 'x') + "\"}";
  EXPECT_EQ(success_of(order(), kOrigin, "payment.success", long_answer).data, order().data);
  EXPECT_EQ(success_of(order(), kOrigin, "payment.success", "").attribute("correlationid"), "o-1");
}

TEST(DeadLetter, FailurePublishesTheDataWithTheError) {
  EXPECT_EQ(failure_of(order(), kOrigin, "payment.failed", 422, R"({"code":"declined"})").data,
            R"({"order_id":7,"total":1.10,"error":{"status":422,"body":{"code":"declined"}}})");
  EXPECT_EQ(failure_of(order(), kOrigin, "payment.failed", 409, "no").data,
            R"({"order_id":7,"total":1.10,"error":{"status":409,"body":"no"}})");
  EXPECT_EQ(failure_of({.attributes = {{"id", "1"}}, .data = "[7]"}, kOrigin, "f", 400, "").data,
            R"({"data":[7],"error":{"status":400,"body":null}})");
  Event big = order();
  big.data = "{\"x\":\"" + std::string(journal::kMaxBody - 300, 'x') + "\"}";
  const Event failure = failure_of(big, kOrigin, "payment.failed", 422, std::string(1000, 'e'));
  EXPECT_LE(encode(failure).size(), journal::kMaxBody);
}

}  // namespace
}  // namespace flotilla::events
