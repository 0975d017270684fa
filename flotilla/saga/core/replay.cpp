#include "flotilla/saga/core/replay.hpp"

#include "flotilla/saga/core/report.hpp"

namespace flotilla::saga {

Result<Replayed> replay(std::span<const StoredRecord> records, const DefinitionSource& definitions,
                        bool timeline) {
  Replayed all;
  if (timeline) {
    all.timeline = json::Value::array();
  }
  std::uint64_t seq = 0;
  for (const StoredRecord& stored : records) {
    const RecordMeta meta{.seq = ++seq, .epoch = stored.epoch, .time = stored.time};
    const auto record = decode(stored.type, stored.body);
    const auto folded =
        record ? apply(all.state, *record, meta, definitions) : Result<>(std::unexpected(record.error()));
    if (!folded) {
      return std::unexpected(folded.error());
    }
    if (timeline) {
      all.timeline.push_back(report(*record, meta, *all.state.definition));
    }
  }
  return all;
}

}  // namespace flotilla::saga
