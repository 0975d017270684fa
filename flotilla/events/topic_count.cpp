#include "flotilla/events/topic_count.hpp"

#include "flotilla/journal/core/shard.hpp"

namespace flotilla::events {
namespace {

net::Task<Result<bool>> has_more(journal::Journal& journal, journal::StreamId stream, std::uint64_t version) {
  auto page = co_await journal.read(journal::StreamQuery{.record_class = journal::RecordClass::topic,
                                                         .stream = stream,
                                                         .after_version = version,
                                                         .limits = {.records = 1, .bytes = 1}});
  if (!page) {
    co_return std::unexpected(page.error());
  }
  co_return !page->records.empty();
}

// The newest version of a stream: whether there is one behind a version is true up to it, and false from it
// on.
net::Task<Result<std::uint64_t>> newest_version(journal::Journal& journal, journal::StreamId stream) {
  std::uint64_t behind = 0;  // there is one behind it, or nothing at all
  std::uint64_t step = 1;
  for (;;) {
    const auto more = co_await has_more(journal, stream, behind + step - 1);
    if (!more) {
      co_return std::unexpected(more.error());
    }
    if (!*more) {
      break;
    }
    behind += step;
    step *= 2;
  }
  for (step /= 2; step > 0; step /= 2) {
    const auto more = co_await has_more(journal, stream, behind + step - 1);
    if (!more) {
      co_return std::unexpected(more.error());
    }
    behind += *more ? step : 0;
  }
  co_return behind;
}

}  // namespace

net::Task<Result<std::uint64_t>> count_events(journal::Journal& journal, std::string topic) {
  const auto streams = co_await journal.list(journal::SummaryQuery{
      .record_class = journal::RecordClass::topic, .name = std::move(topic), .limit = journal::kMaxShards});
  if (!streams) {
    co_return std::unexpected(streams.error());
  }
  std::uint64_t count = 0;
  for (const journal::Summary& row : *streams) {
    const auto newest = co_await newest_version(journal, row.stream);
    if (!newest) {
      co_return std::unexpected(newest.error());
    }
    count += *newest;
  }
  co_return count;
}

}  // namespace flotilla::events
