// Each store compared with the journal in memory: the same random batches, the same answers, the same
// content, also after it was opened anew. And several threads at once.
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/journal/postgres_test_server.hpp"
#include "flotilla/journal/sqlite_journal.hpp"
#include "flotilla/journal/test_support.hpp"

namespace flotilla::journal {
namespace {

constexpr std::string_view kCategories[] = {"", "a", "b", "c"};
constexpr std::string_view kStates[] = {"running", "completed", "failed"};

class Generator {
 public:
  // Of batches for one shard.
  explicit Generator(std::uint64_t seed, std::uint32_t shard = 0, std::uint32_t shards = 1)
      : random_(seed), shard_(shard), shards_(shards) {}

  // The n-th stream of the shard, and back.
  [[nodiscard]] StreamId id(std::uint64_t n) const { return stream_id(n, shard_, shards_); }
  [[nodiscard]] std::uint64_t nth(StreamId stream) const { return stream.value() / shards_; }
  [[nodiscard]] std::uint32_t shard() const { return shard_; }

  Batch next(std::uint64_t epoch) {
    Batch batch;
    batch.shard = shard_;
    batch.epoch = random_.below(50) == 0 ? epoch + 1 : epoch;
    batch.time = UtcMillis(static_cast<std::int64_t>(time_ += random_.below(3)));
    std::vector<StreamRef> named;
    for (std::uint64_t i = random_.below(3); i > 0; --i) {
      named.push_back(batch.create());
      batch.appends.push_back({class_of(0), named.back(), {}, records(1 + random_.below(3))});
      batch.appends.back().record_class = kRecordClasses[random_.below(4)];
      created_.push_back(batch.appends.back().record_class);
    }
    append_to_old(batch, named);
    for (std::uint64_t i = random_.below(3); i > 0 && !named.empty(); --i) {
      const StreamRef stream = named[random_.below(named.size())];
      batch.claims.push_back({"scope", key(), stream, Hash{static_cast<std::uint8_t>(random_.below(256))},
                              UtcMillis(random_.below(2) == 0 ? 0 : batch.time.value() + 10)});
      batch.summaries.push_back({class_of(stream), stream, std::string(kCategories[1 + random_.below(3)]),
                                 std::string(kStates[random_.below(3)]), R"({"a":1})"});
    }
    change_old(batch);
    return batch;
  }

  // What the batch has become, so that the next ones name streams that exist.
  void learn(const AppendResult& result) {
    if (result) {
      classes_.insert(classes_.end(), created_.begin(), created_.end());
      versions_.resize(classes_.size() + 1);
    }
    created_.clear();
  }
  [[nodiscard]] std::uint64_t streams() const { return classes_.size(); }
  [[nodiscard]] RecordClass class_of(std::uint64_t stream) const {
    return stream == 0 || stream > classes_.size() ? RecordClass::saga : classes_[stream - 1];
  }
  [[nodiscard]] std::string key() { return "key" + std::to_string(random_.below(12)); }
  Random& random() { return random_; }
  void set_version(std::uint64_t stream, std::uint64_t version) { versions_[stream] = version; }

 private:
  [[nodiscard]] RecordClass class_of(StreamRef stream) const {
    return stream.is_new() ? created_[stream.new_index()] : class_of(nth(stream.existing()));
  }
  std::vector<NewRecord> records(std::uint64_t count) {
    std::vector<NewRecord> made;
    for (std::uint64_t i = 0; i < count; ++i) {
      made.push_back(test::record(std::string(random_.below(200), 'x') + std::to_string(random_.next()),
                                  std::string(kCategories[random_.below(4)])));
    }
    return made;
  }
  void append_to_old(Batch& batch, std::vector<StreamRef>& named) {
    for (std::uint64_t i = random_.below(3); i > 0 && !classes_.empty(); --i) {
      const StreamId stream = id(1 + random_.below(classes_.size()));
      const bool again = std::ranges::any_of(named, [&](StreamRef r) { return r == StreamRef(stream); });
      if (again) {
        continue;
      }
      std::optional<std::uint64_t> expected;
      if (random_.below(3) != 0) {
        expected = versions_[nth(stream)] + (random_.below(10) == 0 ? 1 : 0);
      }
      named.emplace_back(stream);
      batch.appends.push_back({class_of(nth(stream)), stream, expected, records(random_.below(3))});
    }
  }
  void change_old(Batch& batch) {
    if (classes_.empty()) {
      return;
    }
    const StreamId stream = id(1 + random_.below(classes_.size()));
    switch (random_.below(6)) {
      case 0:
        batch.expiries.push_back(
            {"scope", key(), stream,
             UtcMillis(batch.time.value() + 5 - static_cast<std::int64_t>(random_.below(10)))});
        break;
      case 1:
        batch.snapshots.push_back({stream, 1 + random_.below(5), random_.below(3), "state"});
        break;
      case 2:
        batch.cursors.push_back({"cursor" + std::to_string(random_.below(4)), RecordClass::topic, "a",
                                 Position(random_.below(100), shard_), "s"});
        break;
      case 3:
        batch.removed_cursors.push_back("cursor" + std::to_string(random_.below(4)));
        break;
      case 4:
        batch.removed_summaries.push_back(stream);
        break;
      default:
        break;
    }
  }

  Random random_;
  std::uint32_t shard_;
  std::uint32_t shards_;
  std::uint64_t time_ = 10;
  std::vector<RecordClass> classes_;  // by nth stream - 1
  std::vector<RecordClass> created_;  // by the batch under way
  std::vector<std::uint64_t> versions_{0};
};

std::string print(const AppendResult& result) {
  if (!result) {
    return describe(result.error());
  }
  std::string text = result->position.text();
  for (const StreamId stream : result->created) {
    text += " s" + std::to_string(stream.value());
  }
  for (const std::uint64_t version : result->versions) {
    text += " v" + std::to_string(version);
  }
  return text;
}

std::string print(const Result<Page>& page) {
  if (!page) {
    return page.error().message;
  }
  std::string text = page->at_end ? "end " : "more ";
  for (const RecordPtr& stored : page->records) {
    text += stored->position.text() + "/" + stored->category + "/";
    encode(text, stored->record);
  }
  return text;
}

void expect_same_content(Journal& model, Journal& store, Generator& generator) {
  for (std::uint64_t stream = 1; stream <= generator.streams(); ++stream) {
    StreamQuery query = test::of_stream(generator.class_of(stream), generator.id(stream));
    query.after_version = generator.random().below(3);
    query.limits = {.records = 1 + generator.random().below(20), .bytes = generator.random().below(1000)};
    ASSERT_EQ(print(test::read(store, query)), print(test::read(model, query))) << stream;
    ASSERT_EQ(test::summary(store, query.stream), test::summary(model, query.stream)) << stream;
    ASSERT_EQ(test::snapshot(store, query.stream, 1), test::snapshot(model, query.stream, 1)) << stream;
  }
  for (const RecordClass record_class : kRecordClasses) {
    for (const std::string_view category : kCategories) {
      CategoryQuery query = test::of_category(record_class, std::string(category));
      query.after = Position(generator.random().below(model.position(generator.shard()).number() + 1),
                             generator.shard());
      query.limits = {.records = 1 + generator.random().below(50), .bytes = generator.random().below(5000)};
      ASSERT_EQ(print(test::read(store, query)), print(test::read(model, query))) << category;
    }
    for (const std::string_view state : {std::string_view(), kStates[0], kStates[1]}) {
      for (const bool newest_first : {false, true}) {
        const SummaryQuery query{.record_class = record_class,
                                 .name = std::string(kCategories[generator.random().below(4)]),
                                 .state = std::string(state),
                                 .newest_first = newest_first,
                                 .after = generator.id(generator.random().below(generator.streams() + 1)),
                                 .limit = 1 + generator.random().below(10)};
        ASSERT_EQ(test::list(store, query).value(), test::list(model, query).value());
      }
    }
    ASSERT_EQ(test::count(store, {.record_class = record_class}),
              test::count(model, {.record_class = record_class}));
  }
  for (int i = 0; i < 12; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_EQ(test::find(store, "scope", key), test::find(model, "scope", key));
    const std::string name = "cursor" + std::to_string(i % 4);
    ASSERT_EQ(test::cursor(store, name), test::cursor(model, name));
  }
}

// Gives the next batch of the generator to both. The outcome: 0 committed, else 1 + the kind of the error.
std::size_t give_next(Journal& model, Journal& store, Generator& generator) {
  const Batch batch = generator.next(model.epoch(generator.shard()));
  const AppendResult expected = test::append(model, batch);
  const AppendResult result = test::append(store, batch);
  EXPECT_EQ(print(result), print(expected));
  generator.learn(result);
  if (!result) {
    return 1 + result.error().index();
  }
  for (std::size_t a = 0; a < batch.appends.size(); ++a) {
    const StreamRef ref = batch.appends[a].stream;
    generator.set_version(generator.nth(ref.is_new() ? result->created[ref.new_index()] : ref.existing()),
                          result->versions[a]);
  }
  return 0;
}

// Committed, conflicts, keys taken and stale epochs.
constexpr std::size_t kOutcomes[] = {0, 1, 2, 4};

TEST(JournalModel, RandomBatchesHaveTheSameEffectInBoth) {
  constexpr std::uint64_t kSeeds = 8;
  std::cout << "seeds 1.." << kSeeds << "\n";
  std::map<std::size_t, int> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const test::Directory directory;
    const SqliteOptions options{.path = directory.file("journal.db"),
                                .vocabulary = test::vocabulary(),
                                .readers = 1,
                                .tail_records = seed % 2 == 0 ? Tail::kMaxRecords : 10};
    MemoryJournal model(test::vocabulary());
    auto store = SqliteJournal::open(options).value();
    Generator generator(seed);
    for (int i = 1; i <= 200 && !testing::Test::HasFailure(); ++i) {
      ++seen[give_next(model, *store, generator)];
      if (i % 50 == 0) {
        store.reset();
        store = SqliteJournal::open(options).value();
        model.begin_epoch();
        expect_same_content(model, *store, generator);
        ASSERT_EQ(store->epoch(), model.epoch());
      }
    }
  }
  for (const std::size_t outcome : kOutcomes) {
    EXPECT_GT(seen[outcome], 20) << outcome;
  }
}

// Two shards at once, which share the keys and the names of cursors.
TEST(JournalModel, RandomBatchesHaveTheSameEffectInPostgres) {
  const auto server = test::postgres_url();
  if (!server) {
    GTEST_SKIP() << "no PostgreSQL";
  }
  constexpr std::uint64_t kSeeds = 3;
  std::cout << "seeds 1.." << kSeeds << "\n";
  std::map<std::size_t, int> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const test::Database database(*server);
    PostgresOptions options = database.options();
    options.tail_records = seed % 2 == 0 ? Tail::kMaxRecords : 10;
    MemoryJournal model(test::vocabulary(), pg::kShards);
    auto store = PostgresJournal::open(options).value();
    Generator generators[] = {Generator(seed, 0, pg::kShards), Generator(seed + 100, 37, pg::kShards)};
    Random which(seed);
    for (int i = 1; i <= 250 && !testing::Test::HasFailure(); ++i) {
      ++seen[give_next(model, *store, generators[which.below(2)])];
      if (i % 125 == 0) {
        store.reset();
        store = PostgresJournal::open(options).value();
        for (std::uint32_t shard = 0; shard < pg::kShards; ++shard) {
          model.begin_epoch(shard);
        }
        for (Generator& generator : generators) {
          expect_same_content(model, *store, generator);
          ASSERT_EQ(store->epoch(generator.shard()), model.epoch(generator.shard()));
        }
      }
    }
  }
  for (const std::size_t outcome : kOutcomes) {
    EXPECT_GT(seen[outcome], 5) << outcome;
  }
}

TEST(MemoryJournal, AnswersAsABrokenStoreWouldUntilItIsMended) {
  MemoryJournal journal(test::vocabulary());
  const auto attempt = [&] {
    Batch batch = test::at(journal);
    batch.appends.push_back({RecordClass::saga, batch.create(), {}, {test::record("a")}});
    return test::append(journal, std::move(batch));
  };
  journal.break_appends(StoreUnavailable{"the disk is full"});
  EXPECT_EQ(describe(attempt().error()), "the disk is full");
  EXPECT_EQ(journal.health().state, Health::State::failing);
  EXPECT_EQ(journal.position(), Position());
  journal.break_appends({});
  EXPECT_TRUE(attempt().has_value());
  EXPECT_EQ(journal.health().state, Health::State::healthy);
}

TEST(JournalModel, OfRacingThreadsOneWinsEachVersionAndReadersSeeEveryPositionInOrder) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 150;
  const test::Directory directory;
  auto owner = SqliteJournal::open({.path = directory.file("journal.db"),
                                    .vocabulary = test::vocabulary(),
                                    .tail_records = 64,
                                    .wal_step = 64 << 10,
                                    .wal_bound = 256 << 10});
  Journal& journal = **owner;
  const StreamId contended = test::create(journal, RecordClass::aggregate, {"first"}, "all");
  std::atomic<int> won{0};
  std::atomic<bool> writing{true};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 1; i <= kRounds; ++i) {
        Batch batch = test::at(journal);
        batch.appends.push_back({RecordClass::aggregate,
                                 contended,
                                 static_cast<std::uint64_t>(i),
                                 {test::record(std::to_string(thread), "all")}});
        const auto result = test::append(journal, std::move(batch));
        won += result.has_value() ? 1 : 0;
        if (!result) {
          ASSERT_TRUE(std::holds_alternative<VersionConflict>(result.error())) << describe(result.error());
          // Everybody goes on with the version that was won by somebody.
          ASSERT_GT(std::get<VersionConflict>(result.error()).actual, static_cast<std::uint64_t>(i));
        }
      }
    });
  }
  std::thread reader([&] {
    CategoryQuery query = test::of_category(RecordClass::aggregate, "all");
    std::uint64_t seen = 0;
    for (bool last = false; !last;) {
      last = !writing;
      const Page page = test::read(journal, query).value();
      for (const RecordPtr& stored : page.records) {
        ASSERT_EQ(stored->position.number(), ++seen);
        ASSERT_EQ(stored->record.version, seen);
      }
      query.after = page.next;
      last = last && page.at_end;
    }
    EXPECT_EQ(seen, static_cast<std::uint64_t>(kRounds) + 1);
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  writing = false;
  reader.join();
  EXPECT_EQ(won, kRounds);
  EXPECT_EQ(journal.metrics().records.read(), static_cast<std::uint64_t>(kRounds) + 1);
  EXPECT_EQ(journal.metrics().refused.read(), static_cast<std::uint64_t>(kRounds * (kThreads - 1)));
}

}  // namespace
}  // namespace flotilla::journal
