// The embedded journal on a real file in /tmp: records a second and CPU a record, by the number of batches
// that wait at once. Each batch creates a stream with one record of 200 bytes; the sync is real.
#include <atomic>
#include <filesystem>
#include <latch>

#include <benchmark/benchmark.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/sqlite_journal.hpp"

namespace {

using namespace flotilla;
using namespace flotilla::journal;

struct Store {
  std::string directory = "/tmp/flotilla_bench_XXXXXX";
  std::unique_ptr<SqliteJournal> journal;

  Store() {
    if (::mkdtemp(directory.data()) != nullptr) {
      journal = SqliteJournal::open({.path = directory + "/journal.db",
                                     .vocabulary = {{RecordClass::topic, 1, 1, "event"},
                                                    {RecordClass::saga, 1, 1, "accepted"}}})
                    .value();
    }
  }
  ~Store() {
    journal.reset();
    std::filesystem::remove_all(directory);
  }
};

std::string body() {
  std::string out;
  BodyWriter(out).bytes(1, std::string(197, 'x'));
  return out;
}

Batch event(const Journal& journal) {
  Batch batch;
  batch.epoch = journal.epoch();
  batch.appends.push_back(
      {RecordClass::topic, batch.create(), {}, {{.type = 1, .body = body(), .category = "t"}}});
  return batch;
}

// A saga's first record with its key and its row.
Batch saga(const Journal& journal) {
  static std::atomic<std::uint64_t> next{0};
  Batch batch;
  batch.epoch = journal.epoch();
  const StreamRef stream = batch.create();
  batch.appends.push_back({RecordClass::saga, stream, {}, {{.type = 1, .body = body()}}});
  batch.claims.push_back({"alice/place-order", "key-" + std::to_string(next++), stream, {}, {}});
  batch.summaries.push_back({RecordClass::saga, stream, "place-order", "running"});
  return batch;
}

template <Batch (*Make)(const Journal&)>
void append(benchmark::State& state) {
  Store store;
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

// The process's CPU time (writer, checkpointer and the client's own work) stands in the CPU column.
BENCHMARK(append<event>)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(append<saga>)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
