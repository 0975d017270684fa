// What the tests of this folder share: a vocabulary, small batches, and calls that block until answered.
#pragma once

#include <filesystem>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::journal::test {

// A fresh directory that goes with its owner.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "flotilla_journal_XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) {
      path_ = name;
    }
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Vocabulary vocabulary() {
  return {{RecordClass::saga, 1, 1, "accepted"},
          {RecordClass::saga, 2, 2, "done"},
          {RecordClass::topic, 1, 1, "event"},
          {RecordClass::queue, 1, 1, "item"},
          {RecordClass::aggregate, 1, 1, "event"}};
}

inline std::string body(std::string_view text) {
  std::string out;
  BodyWriter(out).bytes(1, text);
  return out;
}

inline NewRecord record(std::string_view text, std::string category = {}) {
  return {.type = 1, .body = body(text), .category = std::move(category)};
}

inline StreamQuery of_stream(RecordClass record_class, StreamId stream) {
  return {.record_class = record_class, .stream = stream};
}
inline CategoryQuery of_category(RecordClass record_class, std::string category) {
  return {.record_class = record_class, .category = std::move(category)};
}

// Calls `start(done)` and waits for the answer.
template <class T, class Start>
T answer(Start start) {
  std::promise<T> promise;
  auto future = promise.get_future();
  start(Done<T>([&promise](T value) { promise.set_value(std::move(value)); }));
  return future.get();
}

inline AppendResult append(Journal& journal, Batch batch) {
  return answer<AppendResult>([&](auto done) { journal.append(std::move(batch), std::move(done)); });
}
template <class Query>
Result<Page> read(Journal& journal, Query query) {
  return answer<Result<Page>>([&](auto done) { journal.read(std::move(query), std::move(done)); });
}
inline Result<std::vector<Summary>> list(Journal& journal, SummaryQuery query) {
  return answer<Result<std::vector<Summary>>>(
      [&](auto done) { journal.list(std::move(query), std::move(done)); });
}
inline std::vector<StateCount> count(Journal& journal, CountQuery query) {
  return answer<Result<std::vector<StateCount>>>(
             [&](auto done) { journal.count(std::move(query), std::move(done)); })
      .value();
}
inline std::optional<Holder> find(Journal& journal, std::string scope, std::string key) {
  return answer<Result<std::optional<Holder>>>(
             [&](auto done) { journal.find(std::move(scope), std::move(key), std::move(done)); })
      .value();
}
inline std::optional<Summary> summary(Journal& journal, StreamId stream) {
  return answer<Result<std::optional<Summary>>>([&](auto done) { journal.summary(stream, std::move(done)); })
      .value();
}
inline std::optional<Snapshot> snapshot(Journal& journal, StreamId stream, std::uint64_t fold) {
  return answer<Result<std::optional<Snapshot>>>(
             [&](auto done) { journal.snapshot(stream, fold, std::move(done)); })
      .value();
}
inline std::optional<Cursor> cursor(Journal& journal, std::string name) {
  return answer<Result<std::optional<Cursor>>>(
             [&](auto done) { journal.cursor(std::move(name), std::move(done)); })
      .value();
}

inline Batch at(const Journal& journal, std::int64_t time = 1'000) {
  Batch batch;
  batch.epoch = journal.epoch();
  batch.time = UtcMillis(time);
  return batch;
}

// A new stream with one record for each text.
inline StreamId create(Journal& journal, RecordClass record_class, const std::vector<std::string>& texts,
                       const std::string& category = {}) {
  Batch batch = at(journal);
  Append append{.record_class = record_class, .stream = batch.create()};
  for (const std::string& text : texts) {
    append.records.push_back(record(text, category));
  }
  batch.appends.push_back(std::move(append));
  return test::append(journal, std::move(batch)).value().created.at(0);
}

inline std::string text_of(const StoredRecord& stored) {
  return std::string(BodyReader(stored.record.body).next().value()->bytes);
}
inline std::vector<std::string> texts(const Page& page) {
  std::vector<std::string> out;
  for (const RecordPtr& stored : page.records) {
    out.push_back(text_of(*stored));
  }
  return out;
}

// Forgets those of that name and state whose row has not changed since `before`, the oldest first; how many
// records went.
inline std::int64_t forget_sagas(Journal& journal, std::string name, std::string state, UtcMillis before,
                                 std::size_t limit) {
  std::vector<StreamId> streams;
  for (const Summary& row : list(journal, {.record_class = RecordClass::saga,
                                           .name = std::move(name),
                                           .state = std::move(state),
                                           .newest_first = false,
                                           .limit = limit,
                                           .changed_before = before})
                                .value()) {
    streams.push_back(row.stream);
  }
  return answer<Result<std::int64_t>>([&](auto done) {
           journal.forget_streams(RecordClass::saga, std::move(streams), std::move(done));
         })
      .value();
}

}  // namespace flotilla::journal::test
