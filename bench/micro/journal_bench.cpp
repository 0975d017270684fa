// The journals: records a second and CPU a record, by the number of batches that wait at once. Each batch
// creates a stream with one record of 200 bytes; the sync is real. The embedded one on a file in /tmp; the
// shared one, spread over its shards, in an empty database whose address FLOTILLA_BENCH_POSTGRES holds (with
// fsync on). And what it takes to find one of 100,000 sagas by an attribute.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <latch>

#include <benchmark/benchmark.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/postgres_journal.hpp"
#include "flotilla/journal/sqlite_journal.hpp"

namespace {

using namespace flotilla;
using namespace flotilla::journal;

Vocabulary vocabulary() {
  return {{RecordClass::topic, 1, 1, "event"}, {RecordClass::saga, 1, 1, "accepted"}};
}

struct Embedded {
  std::string directory = "/tmp/flotilla_bench_XXXXXX";
  std::unique_ptr<Journal> journal;

  Embedded() {
    if (::mkdtemp(directory.data()) != nullptr) {
      journal = SqliteJournal::open({.path = directory + "/journal.db", .vocabulary = vocabulary()}).value();
    }
  }
  ~Embedded() {
    journal.reset();
    std::filesystem::remove_all(directory);
  }
};

struct Shared {
  std::unique_ptr<Journal> journal;

  Shared() {
    if (const char* url = std::getenv("FLOTILLA_BENCH_POSTGRES")) {
      journal =
          PostgresJournal::open({.uri = url, .vocabulary = vocabulary(), .address = {}, .now = {}}).value();
    }
  }
};

std::atomic<std::uint64_t> next_key{0};

Batch begin(const Journal& journal) {
  Batch batch;
  batch.shard = static_cast<std::uint32_t>(next_key++ % journal.shards());
  batch.epoch = journal.epoch(batch.shard);
  return batch;
}

std::string body() {
  std::string out;
  BodyWriter(out).bytes(1, std::string(197, 'x'));
  return out;
}

Batch event(const Journal& journal) {
  Batch batch = begin(journal);
  batch.appends.push_back(
      {RecordClass::topic, batch.create(), {}, {{.type = 1, .body = body(), .category = "t"}}});
  return batch;
}

// A saga's first record with its key and its row.
Batch saga(const Journal& journal) {
  static const std::string run = std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  Batch batch = begin(journal);
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::saga, stream, {}, {{.type = 1, .body = body()}}});
  batch.claims.push_back({"alice/place-order", run + std::to_string(next_key++), stream, {}, {}});
  batch.summaries.push_back({RecordClass::saga, stream, "place-order", "running"});
  return batch;
}

template <class Store, Batch (*Make)(const Journal&)>
void append(benchmark::State& state) {
  Store store;
  if (store.journal == nullptr) {
    state.SkipWithError("FLOTILLA_BENCH_POSTGRES names no database");
    return;
  }
  const auto waiting = state.range(0);
  for (auto _ : state) {
    std::latch answered(waiting);
    for (std::int64_t i = 0; i < waiting; ++i) {
      store.journal->append(Make(*store.journal), [&](const AppendResult& result) {
        if (!result) {
          state.SkipWithError(describe(result.error()).c_str());
        }
        answered.count_down();
      });
    }
    answered.wait();
  }
  const auto records = static_cast<double>(store.journal->metrics().records.read());
  const auto commits = static_cast<double>(store.journal->metrics().commits.read());
  state.SetItemsProcessed(state.iterations() * waiting);
  state.counters["records/commit"] = records / commits;
}

// The process's CPU time (writer, checkpointer and the client's own work, not the server's) stands in the CPU
// column.
template <class Benchmark>
void by_waiting(Benchmark* benchmark) {
  benchmark->Arg(1)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->MeasureProcessCPUTime();
}
BENCHMARK(append<Embedded, event>)->Apply(by_waiting);
BENCHMARK(append<Embedded, saga>)->Apply(by_waiting);
BENCHMARK(append<Shared, event>)->Apply(by_waiting);
BENCHMARK(append<Shared, saga>)->Apply(by_waiting);

constexpr std::uint64_t kSagas = 100'000;

// As a saga writes it; each order has one, each user ten.
Batch found_saga(const Journal& journal, std::uint64_t n) {
  Batch batch = begin(journal);
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::saga, stream, {}, {{.type = 1, .body = body()}}});
  batch.summaries.push_back({RecordClass::saga, stream, "place-order", "running",
                             R"({"id":"01JZ6X7Q8R9S0T1V2W3X4Y5Z6A","definition":")" + std::string(64, 'a') +
                                 R"(","search":{"order":"o-)" + std::to_string(n) + R"(","user":"u-)" +
                                 std::to_string(n % (kSagas / 10)) + R"("}})"});
  return batch;
}

template <class Store>
Journal* filled() {
  static const Store store;
  static const bool done = [&] {
    constexpr std::uint64_t kAtOnce = 500;
    for (std::uint64_t n = 0; store.journal != nullptr && n < kSagas; n += kAtOnce) {
      std::latch answered(kAtOnce);
      for (std::uint64_t i = 0; i < kAtOnce; ++i) {
        store.journal->append(found_saga(*store.journal, n + i),
                              [&](const AppendResult&) { answered.count_down(); });
      }
      answered.wait();
    }
    return true;
  }();
  return done ? store.journal.get() : nullptr;
}

template <class Store>
void list_by_attribute(benchmark::State& state, const char* name, const char* prefix, std::size_t sagas) {
  Journal* const journal = filled<Store>();
  if (journal == nullptr) {
    state.SkipWithError("FLOTILLA_BENCH_POSTGRES names no database");
    return;
  }
  std::uint64_t next = 1;
  for (auto _ : state) {
    next = next * 7919 % (kSagas / 10);
    std::latch answered(1);
    journal->list({.search = {{name, prefix + std::to_string(next)}}},
                  [&](const Result<std::vector<Summary>>& rows) {
                    if (!rows || rows->size() != sagas) {
                      state.SkipWithError("the wrong sagas were found");
                    }
                    answered.count_down();
                  });
    answered.wait();
  }
}
// BENCHMARK_CAPTURE makes a name of what it is given, so it takes no template.
void list_embedded(benchmark::State& state, const char* name, const char* prefix, std::size_t sagas) {
  list_by_attribute<Embedded>(state, name, prefix, sagas);
}
void list_shared(benchmark::State& state, const char* name, const char* prefix, std::size_t sagas) {
  list_by_attribute<Shared>(state, name, prefix, sagas);
}
BENCHMARK_CAPTURE(list_embedded, order, "order", "o-", 1)->UseRealTime();
BENCHMARK_CAPTURE(list_embedded, user, "user", "u-", 10)->UseRealTime();
BENCHMARK_CAPTURE(list_shared, order, "order", "o-", 1)->UseRealTime();
BENCHMARK_CAPTURE(list_shared, user, "user", "u-", 10)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
