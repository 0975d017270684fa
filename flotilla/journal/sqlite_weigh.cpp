// How many bytes the events of a topic have in the embedded store.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/journal/sqlite_reader.hpp"

namespace flotilla::journal {

// SQLite knows the length of a record without reading all of it.
Result<TopicWeight> SqliteReader::weigh(const std::string& topic, Position after, std::uint64_t bytes) {
  begin_.run();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> found;  // positions and lengths
  bool all = true;
  const std::int64_t category = category_id(topic);
  for (const Segment& segment : segments(RecordClass::topic)) {
    sqlite::Statement select = db_->prepare(
        fmt::format("SELECT position, length(record) FROM {} WHERE category = ?1 AND category > 0 AND "
                    "position > ?2 ORDER BY position LIMIT ?3",
                    segment.table));
    std::uint64_t sum = 0;
    std::size_t count = 0;
    sqlite::Rows rows = select.query(category, after.number(), kMaxWeighed + 1);
    while (rows.next()) {
      if (sum >= bytes || count == kMaxWeighed) {
        all = false;  // at least this one is left
        break;
      }
      sum += static_cast<std::uint64_t>(rows.integer(1));
      ++count;
      found.emplace_back(static_cast<std::uint64_t>(rows.integer(0)),
                         static_cast<std::uint64_t>(rows.integer(1)));
    }
  }
  end_.run();
  // Tables of several periods may share a topic: what the first ones of all of them have.
  std::ranges::sort(found);
  TopicWeight weight{.until = after, .bytes = 0, .at_end = all};
  std::size_t taken = 0;
  for (; taken < found.size() && taken < kMaxWeighed && weight.bytes < bytes; ++taken) {
    weight.until = Position(found[taken].first);
    weight.bytes += found[taken].second;
  }
  weight.at_end = all && taken == found.size();
  return finish(weight);
}

}  // namespace flotilla::journal
