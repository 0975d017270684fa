// What is kept of topics in an SQLite journal: compaction, size.
#include "flotilla/events/topic_keeper.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/events/topic_rig.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/topic_upkeep.hpp"
#include "flotilla/journal/verify.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3'600'000;
constexpr WallTime kNow{std::int64_t{100'000} * kHour * 1'000'000};

TopicPtr topic_of(const std::string& name, const std::string& body) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(name + ": " + body, none, problems);
  return read_topics(*node, none, problems).front();
}

TopicPtr compacted(const std::string& name) { return topic_of(name, "{ compact: true }"); }
TopicPtr of_a_mebibyte(const std::string& name) { return topic_of(name, "{ retain_size: 1MiB }"); }

class KeptTopic : public testing::Test {
 public:
  KeptTopic() {
    std::string name = (std::filesystem::temp_directory_path() / "flotilla_compact_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    open();
  }
  ~KeptTopic() override {
    journal_.reset();
    std::filesystem::remove_all(folder_);
  }

 protected:
  void open(std::size_t tail = 4096) {
    journal_.reset();
    journal_ = std::move(*journal::SqliteJournal::open({.path = (folder_ / "file.db").string(),
                                                        .vocabulary = test::vocabulary(),
                                                        .tail_records = tail,
                                                        .now = {},
                                                        .vfs = {}}));
  }
  template <class Body>
  void run(Body body) {
    net::Scope scope;
    loop_->post([&] {
      scope.spawn([](Body& what, net::Loop& on) -> net::Task<> {
        co_await what();
        on.stop();
      }(body, *loop_));
    });
    loop_->run();
  }

  net::Task<> publish(std::string topic, std::string key, std::string data, std::int64_t hours_ago = 0) {
    journal::Batch batch;
    batch.epoch = journal_->epoch();
    batch.time = journal::UtcMillis(kNow.ns_since_epoch / 1'000'000 - hours_ago * kHour);
    journal::Event event{.attributes = {{"id", "e"}}, .data = std::move(data)};
    if (!key.empty()) {
      event.attributes.emplace_back("partitionkey", key);
    }
    const journal::StreamRef stream = stream_ ? journal::StreamRef(*stream_) : batch.create();
    batch.appends.push_back(
        {RecordClass::topic,
         stream,
         {},
         {{.type = journal::kEventRecord, .body = encode(event), .category = std::move(topic)}}});
    const auto done = co_await journal_->append(std::move(batch));
    EXPECT_TRUE(done);
    if (!stream_) {
      stream_ = done->created.front();
    }
  }
  net::Task<> save_cursor(std::string name, std::string topic, std::uint64_t number) {
    journal::Batch batch;
    batch.epoch = journal_->epoch();
    batch.cursors.push_back({.name = std::move(name),
                             .record_class = RecordClass::topic,
                             .category = std::move(topic),
                             .position = journal::Position(number),
                             .state = {}});
    EXPECT_TRUE(co_await journal_->append(std::move(batch)));
  }
  // What is in the topic, as key=data.
  net::Task<std::vector<std::string>> in(std::string topic) {
    const auto page = co_await journal_->read(
        journal::CategoryQuery{.record_class = RecordClass::topic,
                               .category = std::move(topic),
                               .after = {},
                               .limits = {.records = 1000, .bytes = journal::kMaxPageBytes}});
    std::vector<std::string> texts;
    for (const journal::RecordPtr& record : page->records) {
      const auto event = journal::decode_event(record->record.body).value();
      texts.push_back(std::string(event.attribute("partitionkey")) + "=" + event.data);
    }
    co_return texts;
  }
  net::Task<> tend(TopicCompactor& compactor) {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(co_await compactor.tend(kNow));
    }
  }
  void expect_sound() {
    const auto report = journal::verify_store((folder_ / "file.db").string(), test::vocabulary());
    EXPECT_THAT(report.value().problems, IsEmpty());
  }

  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create());
  std::filesystem::path folder_;
  std::unique_ptr<journal::SqliteJournal> journal_;
  std::optional<journal::StreamId> stream_;
};

TEST_F(KeptTopic, KeepsTheLastEventOfEachKey) {
  run([&]() -> net::Task<> {
    TopicCompactor compactor(*journal_);
    compactor.set_topics({compacted("a"), default_topic("b")});
    for (int i = 0; i < 3; ++i) {
      for (const char* const key : {"x", "y", ""}) {
        co_await publish("a", key, std::to_string(i));
        co_await publish("b", key, std::to_string(i));
      }
    }
    co_await tend(compactor);
    EXPECT_THAT(co_await in("a"), ElementsAre("=0", "=1", "x=2", "y=2", "=2"));
    EXPECT_EQ((co_await in("b")).size(), 9U);
    EXPECT_EQ(compactor.removed(), 4U);
    co_await publish("a", "x", "3");
    co_await publish("a", "x", "4");
    co_await tend(compactor);
    EXPECT_THAT(co_await in("a"), ElementsAre("=0", "=1", "y=2", "=2", "x=4"));
  });
  expect_sound();
}

TEST_F(KeptTopic, BuriesAKeyADayAfterItIsGone) {
  run([&]() -> net::Task<> {
    TopicCompactor compactor(*journal_);
    compactor.set_topics({compacted("a")});
    co_await publish("a", "old", "1", 30);
    co_await publish("a", "young", "1", 30);
    co_await publish("a", "old", "null", 25);
    co_await publish("a", "young", "", 23);
    co_await tend(compactor);
    EXPECT_THAT(co_await in("a"), ElementsAre("young="));
    co_await compactor.tend(WallTime{kNow.ns_since_epoch + 2 * kHour * 1'000'000});
    EXPECT_THAT(co_await in("a"), IsEmpty());
  });
  expect_sound();
}

TEST_F(KeptTopic, WaitsForWhoReads) {
  run([&]() -> net::Task<> {
    TopicCompactor compactor(*journal_);
    compactor.set_topics({compacted("a")});
    for (int i = 0; i < 4; ++i) {
      co_await publish("a", "x", std::to_string(i));
    }
    co_await save_cursor("subscription", "a", 2);
    co_await save_cursor("other", "b", 0);
    co_await tend(compactor);
    EXPECT_THAT(co_await in("a"), ElementsAre("x=1", "x=2", "x=3"));
    co_await save_cursor("subscription", "a", 4);
    co_await tend(compactor);
    EXPECT_THAT(co_await in("a"), ElementsAre("x=3"));
  });
  expect_sound();
}

// The transaction that removes looks at the cursors itself.
TEST_F(KeptTopic, WhatACursorCameBackToStays) {
  run([&]() -> net::Task<> {
    for (int i = 0; i < 4; ++i) {
      co_await publish("a", "x", std::to_string(i));
    }
    co_await save_cursor("subscription", "a", 1);
    journal::Reply<Result<std::int64_t>> reply;
    journal_->forget_records("a", {journal::Position(1), journal::Position(2), journal::Position(3)},
                             reply.send());
    EXPECT_EQ((co_await reply).value(), 1);
    EXPECT_THAT(co_await in("a"), ElementsAre("x=1", "x=2", "x=3"));
    journal::Reply<Result<std::int64_t>> floor;
    journal_->consumed("a", floor.send());
    EXPECT_EQ((co_await floor).value(), 1);
  });
}

TEST_F(KeptTopic, GoesOnWithinItsBoundsAndAfterARestart) {
  run([&]() -> net::Task<> {
    const CompactionLimits few{.keys = 7, .key_bytes = 1000};
    {
      TopicCompactor compactor(*journal_, few);
      compactor.set_topics({compacted("a")});
      for (int i = 0; i < 60; ++i) {
        co_await publish("a", "k" + std::to_string(i % 20), std::to_string(i));
      }
      EXPECT_TRUE(co_await compactor.tend(kNow));
    }
    open(0);
    TopicCompactor compactor(*journal_, few);
    compactor.set_topics({compacted("a")});
    for (int i = 0; i < 30; ++i) {
      EXPECT_TRUE(co_await compactor.tend(kNow));
    }
    const auto left = co_await in("a");
    EXPECT_LE(left.size(), 30U);  // what is new and less than half of what is clean may wait
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(left.at(left.size() - 20 + i), "k" + std::to_string(i) + "=" + std::to_string(40 + i));
    }
  });
  expect_sound();
}

// Of 40 events of about 40 KiB, which number themselves.
TEST_F(KeptTopic, KeepsToItsSize) {
  const std::string padding(40'000, 'x');
  run([&]() -> net::Task<> {
    TopicTrimmer trimmer(*journal_);
    trimmer.set_topics({of_a_mebibyte("a"), default_topic("b")});
    for (int i = 0; i < 40; ++i) {
      co_await publish("a", "", std::to_string(i) + padding);
      co_await publish("b", "", "small");
      if (i % 10 == 9) {
        EXPECT_TRUE(co_await trimmer.tend());
      }
    }
    const auto left = co_await in("a");
    EXPECT_EQ(left.size(), 26U);  // 26 * 40 KB fit into 1 MiB, 27 do not
    EXPECT_EQ(left.front().substr(0, 5), "=14xx");
    EXPECT_EQ((co_await in("b")).size(), 40U);
  });
  expect_sound();
}

TEST_F(KeptTopic, IsLargerWhileSomebodyHasNotPassed) {
  const std::string padding(200'000, 'x');
  run([&]() -> net::Task<> {
    TopicTrimmer trimmer(*journal_);
    trimmer.set_topics({of_a_mebibyte("a")});
    for (int i = 0; i < 10; ++i) {
      co_await publish("a", "", padding);
    }
    co_await save_cursor("subscription", "a", 2);
    EXPECT_TRUE(co_await trimmer.tend());
    EXPECT_EQ((co_await in("a")).size(), 8U);
    co_await save_cursor("subscription", "a", 10);
    EXPECT_TRUE(co_await trimmer.tend());
    EXPECT_EQ((co_await in("a")).size(), 5U);
  });
  expect_sound();
}

// What was weighed before says nothing any more.
TEST_F(KeptTopic, IsWeighedAnewWhereOthersRemove) {
  const std::string padding(200'000, 'x');
  run([&]() -> net::Task<> {
    TopicTrimmer trimmer(*journal_);
    trimmer.set_topics({of_a_mebibyte("a")});
    for (int i = 0; i < 5; ++i) {
      co_await publish("a", "", padding);
    }
    EXPECT_TRUE(co_await trimmer.tend());
    journal::Reply<Result<std::int64_t>> reply;
    journal_->forget_topic("a", journal::Position(4), reply.send());
    EXPECT_EQ((co_await reply).value(), 4);
    for (int i = 0; i < 4; ++i) {
      co_await publish("a", "", padding);
    }
    EXPECT_TRUE(co_await trimmer.tend());
    EXPECT_EQ((co_await in("a")).size(), 5U);
  });
}

}  // namespace
}  // namespace flotilla::events
