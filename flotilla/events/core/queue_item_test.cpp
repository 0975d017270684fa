#include "flotilla/events/core/queue_item.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/batch.hpp"

namespace flotilla::events {
namespace {

QueueItem some_item() {
  return {.id = *Ulid::parse("01HF7YAT00ABCDEFGHJKMNPQRS"),
          .stream = journal::StreamId(7),
          .version = 3,
          .key = "order \"7\"",
          .claim = std::string(64, 'a'),
          .state = QueueState::dead,
          .certainty = Certainty::unknown,
          .resendable = true,
          .attempts = 2,
          .bytes = 900,
          .accepted = 1'700'000'000'000,
          .expires = 1'700'000'100'000,
          .due = 1'700'000'050'000,
          .method = "POST",
          .path = "/charges",
          .code = "503",
          .reason = QueueDeadReason::exhausted};
}

TEST(QueueItem, ItsRowReadsBack) {
  const QueueItem item = some_item();
  const auto read = read_attributes(to_attributes(item), item.stream, to_string(item.state));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, item);
}

TEST(QueueItem, ItsRowFitsWhateverItHolds) {
  QueueItem item = some_item();
  item.key = std::string(256, '"');
  item.path = std::string(2000, '"');
  item.code = std::string(40, '"');
  EXPECT_LE(to_attributes(item).size(), journal::kMaxAttributes);
}

TEST(QueueItem, ADamagedRowIsRefused) {
  const QueueItem item = some_item();
  const std::string good = to_attributes(item);
  EXPECT_FALSE(read_attributes("{", item.stream, "dead"));
  EXPECT_FALSE(read_attributes(good, item.stream, "lost"));
  EXPECT_FALSE(read_attributes("{}", item.stream, "dead"));
  std::string bad = good;
  bad.replace(bad.find("unknown"), 7, "perhaps");
  const auto read = read_attributes(bad, item.stream, "dead");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "the row of stream 7 is damaged: certainty");
}

TEST(QueueItem, RecordsReadBack) {
  const AcceptedRecord accepted{
      .id = some_item().id,
      .key = "k",
      .service = "pay",
      .request = {.method = "POST",
                  .target = "/charges?x=1",
                  .headers = {{"Content-Type", "application/json"}, {"X-A", "1: 2"}, {"X-A", ""}},
                  .body = std::string("\0\xff{}", 4)},
      .idempotency_key = "mine",
      .resendable = true,
      .certainty = Certainty::unknown,
      .cause = "timeout",
      .expires = 12};
  const auto read = decode_accepted(encode(accepted));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->id, accepted.id);
  EXPECT_EQ(read->request.headers, accepted.request.headers);
  EXPECT_EQ(read->request.body, accepted.request.body);
  EXPECT_EQ(read->request.target, accepted.request.target);
  EXPECT_EQ(read->idempotency_key, "mine");
  EXPECT_TRUE(read->resendable);
  EXPECT_EQ(read->certainty, Certainty::unknown);
  EXPECT_EQ(read->expires, 12);

  const OutcomeRecord outcome{.state = QueueState::dead,
                              .certainty = Certainty::unknown,
                              .attempts = 3,
                              .code = "422",
                              .status = 422,
                              .content_type = "text/plain",
                              .body = "no",
                              .cut = true,
                              .reason = QueueDeadReason::refused};
  const auto outcome_read = decode_outcome(encode(outcome));
  ASSERT_TRUE(outcome_read);
  EXPECT_EQ(outcome_read->state, QueueState::dead);
  EXPECT_EQ(outcome_read->status, 422);
  EXPECT_EQ(outcome_read->body, "no");
  EXPECT_TRUE(outcome_read->cut);
  EXPECT_EQ(outcome_read->reason, QueueDeadReason::refused);

  EXPECT_EQ(decode_sending(encode(SendingRecord{.attempt = 9}))->attempt, 9U);
  EXPECT_EQ(decode_person(encode(PersonRecord{.who_why = "me: now"}))->who_why, "me: now");
}

TEST(QueueItem, AnUnknownFieldIsRefused) {
  EXPECT_FALSE(decode_sending(encode(PersonRecord{.who_why = "x"})));
  EXPECT_FALSE(decode_person(encode(SendingRecord{.attempt = 1})));
  EXPECT_FALSE(decode_outcome(encode(AcceptedRecord{})));
  EXPECT_FALSE(decode_accepted("\x07"));
}

}  // namespace
}  // namespace flotilla::events
