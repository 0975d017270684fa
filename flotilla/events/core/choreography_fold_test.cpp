// Following transactions, event by event: what is expected, the limits, and the text a choreography is kept
// as.
#include "flotilla/events/core/choreography_fold.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events {
namespace {

using std::chrono::seconds;

Choreography order() {
  Choreography c;
  c.name = "order";
  c.correlate = ".order_id";
  c.program = compile_correlate(c.correlate).value();
  c.start = "created";
  c.expect = {{"created", false, {"paid", "refused"}, seconds(5)}, {"paid", false, {"shipped"}, {}}};
  c.ok = {"shipped"};
  c.undone = {"refused"};
  c.on_overdue = "overdue";
  return c;
}

class Following {
 public:
  explicit Following(const Choreography& c)
      : fold_(std::make_shared<const Choreography>(c), std::make_shared<ChoreographyCounters>()) {}

  // Of transaction "7" unless the data says another.
  const Instance& take(const std::string& topic, std::vector<std::pair<std::string, std::string>> more = {},
                       std::string data = R"({"order_id":7})") {
    ++position_;
    journal::Event event{.attributes = {{"id", fmt::format("e{}", position_)},
                                        {"source", "/t"},
                                        {"type", topic},
                                        {"correlationid", "k"}},
                         .data = std::move(data)};
    for (auto& [name, value] : more) {
      std::erase_if(event.attributes, [&](const auto& each) { return each.first == name; });
      event.attributes.emplace_back(name, value);
    }
    journal::FoldInput in;
    in.data = json::parse(event.data).value_or(json::Value());
    in.event = journal::event_value(event, in.data);
    in.topic = topic;
    in.position = journal::Position(position_, shard_);
    in.recorded_ms = static_cast<std::int64_t>(position_) * 1000;
    place_ = fold_.place(in);
    if (place_) {
      auto folded = fold_.fold(row_, in);
      EXPECT_TRUE(folded);
      row_ = folded->row;
      text_ = folded->text;
      instance_ = read_instance(row_).value();
    }
    return instance_;
  }

  ChoreographyFold fold_;
  std::optional<journal::RowName> place_;
  json::Value row_;
  std::string text_;
  Instance instance_;
  std::uint64_t position_ = 0;
  std::uint32_t shard_ = 0;
};

TEST(ChoreographyFold, FollowsAnOrderToItsEnd) {
  Following f(order());
  EXPECT_EQ(f.take("created").state, InstanceState::open);
  EXPECT_EQ(f.instance_.due_ms(), 6000);
  EXPECT_EQ(f.place_->key, "i/7");
  EXPECT_EQ(f.take("paid").waits.size(), 1U);
  EXPECT_EQ(f.instance_.due_ms(), 0);
  EXPECT_EQ(f.take("shipped").state, InstanceState::ok);
  EXPECT_EQ(f.instance_.unexpected, 0U);
  EXPECT_EQ(f.take("shipped").unexpected, 1U);
}

TEST(ChoreographyFold, TellsWhichTransactionOfWhateverComes) {
  Following f(order());
  f.take("created", {}, R"({"order_id":"a b"})");
  EXPECT_EQ(f.place_->key, "i/a b");
  f.take("created", {}, R"({"order":1})");
  EXPECT_EQ(f.place_->key, "i/k") << "its correlation";
  f.take("created", {}, "not JSON");
  EXPECT_EQ(f.place_->key, "i/k");
  f.take("created", {}, fmt::format(R"({{"order_id":"{}"}})", std::string(300, 'x')));
  EXPECT_EQ(f.place_->key, "i/k");
  f.take("created", {{"correlationid", std::string(300, 'x')}}, "{}");
  EXPECT_FALSE(f.place_) << "there is nothing to find it by";
  f.take("overdue");
  EXPECT_FALSE(f.place_) << "somebody else's";
  f.take("created.dead");
  EXPECT_FALSE(f.place_) << "no dead letter";
}

TEST(ChoreographyFold, WhatComesBeforeTheStartIsUnexpectedAndStillCounts) {
  Following f(order());
  EXPECT_EQ(f.take("paid").unexpected, 1U);
  EXPECT_EQ(f.instance_.waits.size(), 1U);
  EXPECT_EQ(f.take("created").unexpected, 1U);
  EXPECT_EQ(f.take("created").unexpected, 2U) << "a second start";
}

TEST(ChoreographyFold, KeepsSoMuchAndCountsTheRest) {
  Choreography c = order();
  c.also = {"note"};
  c.ok = {};
  c.undone = {};
  Following f(c);
  for (std::size_t i = 0; i < kMaxInstanceEvents + 50; ++i) {
    f.take("note", {{"correlationid", fmt::format("k{}", i)}, {"source", std::string(1000, 's')}});
  }
  EXPECT_EQ(f.instance_.events.size(), kMaxInstanceEvents);
  EXPECT_EQ(f.instance_.correlations.size(), kMaxCorrelations);
  EXPECT_EQ(f.instance_.count, kMaxInstanceEvents + 50);
  EXPECT_EQ(f.instance_.left_out, 50 + kMaxInstanceEvents + 50 - kMaxCorrelations);
  EXPECT_EQ(f.instance_.events.front().source.size(), kMaxInstanceText);
  for (std::size_t i = 0; i < kMaxWaits + 5; ++i) {
    f.take("created");
  }
  EXPECT_EQ(f.instance_.waits.size(), kMaxWaits);
  EXPECT_LT(f.text_.size(), journal::kMaxFoldRow);
  for (std::size_t i = 0; i < kMaxWaits; ++i) {  // events that are not kept fulfil all the same
    f.take("refused");
  }
  EXPECT_TRUE(f.instance_.waits.empty());
}

TEST(ChoreographyFold, FlagsWhatCausesItselfTooDeep) {
  Choreography c = order();
  c.also = {"note"};
  Following f(c);
  f.take("note");
  for (std::size_t i = 0; i < kDeepCausation; ++i) {
    EXPECT_LE(f.instance_.depth, kDeepCausation);
    f.take("note", {{"causationid", fmt::format("e{}", f.position_)}});
  }
  EXPECT_EQ(f.instance_.depth, kDeepCausation + 1);
  f.take("note", {{"causationid", fmt::format("e{}", f.position_ + 1)}});
  EXPECT_EQ(f.instance_.events.back().depth, 1U) << "its own cause: it begins something";
}

TEST(ChoreographyFold, KnowsTheSagasThatPublish) {
  Choreography c = order();
  Following f(c);
  f.take("created", {{"source", "/sagas/place"}, {"id", "01ARZ3NDEKTSV4RRFFQ69G5FAV-4-1"}});
  f.take("paid", {{"source", "/sagas/place"}, {"id", "nothing-4-1"}});
  EXPECT_EQ(f.instance_.sagas, std::vector<std::string>{"01ARZ3NDEKTSV4RRFFQ69G5FAV"});
}

TEST(ChoreographyFold, IsMadeAgainFromItsText) {
  Choreography c = order();
  c.dead_letters = {"created.dead"};
  const auto again = read_choreography(write(c));
  ASSERT_TRUE(again);
  EXPECT_EQ(write(**again), write(c));
  EXPECT_EQ((*again)->expect, c.expect);
  EXPECT_TRUE((*again)->program);
  EXPECT_FALSE(read_choreography("{}"));
  Following f(c);
  EXPECT_TRUE(f.fold_.remake(write(c)));
  EXPECT_FALSE(f.fold_.remake("x"));
}

TEST(ChoreographyFold, ReadsBackWhatItWrites) {
  Following f(order());
  f.take("created");
  f.take("paid", {{"causationid", "e1"}, {"type", "other"}});
  EXPECT_EQ(read_instance(to_json(f.instance_)).value(), f.instance_);
  f.shard_ = 5;
  f.take("created");
  EXPECT_EQ(f.instance_.events.back().position, journal::Position(3, 5));
  EXPECT_EQ(read_instance(to_json(f.instance_)).value(), f.instance_);
  EXPECT_FALSE(read_instance(json::parse(R"({"id":7})").value()));
  EXPECT_FALSE(read_instance(json::Value()));
}

}  // namespace
}  // namespace flotilla::events
