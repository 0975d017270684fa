#include "flotilla/journal/tail.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

RecordPtr stored(std::uint64_t position, std::string category, std::size_t size = 1) {
  return std::make_shared<StoredRecord>(Position(position), std::move(category),
                                        Record{.record_class = RecordClass::topic,
                                               .stream = StreamId(1),
                                               .version = position,
                                               .type = 1,
                                               .body = std::string(size, 'x')});
}

CategoryQuery after(std::uint64_t position, std::string category = {}) {
  CategoryQuery query = test::of_category(RecordClass::topic, std::move(category));
  query.after = Position(position);
  return query;
}

TEST(Tail, AnswersWhatItHoldsAndNothingElse) {
  Tail tail(Position(10), 3);
  EXPECT_EQ(tail.end(), Position(10));
  EXPECT_FALSE(tail.read(after(9)).has_value());
  EXPECT_TRUE(tail.read(after(10))->records.empty());
  for (std::uint64_t position = 11; position <= 14; ++position) {
    tail.publish(std::vector{stored(position, position % 2 == 0 ? "even" : "odd")});
  }
  EXPECT_FALSE(tail.read(after(10)).has_value());  // 11 has gone
  EXPECT_EQ(tail.read(after(11))->records.size(), 3U);
  const Page even = *tail.read(after(11, "even"));
  EXPECT_EQ(even.records.size(), 2U);
  EXPECT_EQ(even.next, Position(14));
  EXPECT_TRUE(even.at_end);
  EXPECT_EQ(tail.read(after(11, "none"))->next, Position(14));
}

TEST(Tail, ForgetsTheOldestBeyondItsBytes) {
  Tail tail{Position()};
  for (std::uint64_t position = 1; position <= 20; ++position) {
    tail.publish(std::vector{stored(position, "t", std::size_t{1} << 20)});
  }
  EXPECT_FALSE(tail.read(after(11)).has_value());
  EXPECT_TRUE(tail.read(after(12)).has_value());  // eight of 1 MiB
}

TEST(Tail, RefusesWaitersBeyondItsLimitAndForgetsThoseThatLeave) {
  auto loop = net::Loop::create();
  Tail tail{Position()};
  (*loop)->post([&] {
    {
      std::vector<std::unique_ptr<Tail::Watch>> watches;
      for (std::size_t i = 0; i < Tail::kMaxWatches; ++i) {
        watches.push_back(std::make_unique<Tail::Watch>(tail, RecordClass::topic, "t", Position()));
        ASSERT_TRUE(watches.back()->admitted());
      }
      EXPECT_FALSE(Tail::Watch(tail, RecordClass::topic, "t", Position()).admitted());
    }
    EXPECT_TRUE(Tail::Watch(tail, RecordClass::topic, "t", Position()).admitted());
    (*loop)->stop();
  });
  (*loop)->run();
}

}  // namespace
}  // namespace flotilla::journal
