#include "flotilla/journal/record_page.hpp"

#include <utility>

#include <fmt/format.h>

namespace flotilla::journal {

Result<RecordPtr> stored_record(Position position, std::string category, std::string_view bytes,
                                const Vocabulary& vocabulary) {
  auto record = decode(bytes);
  Result<> known;
  if (record) {
    known = vocabulary.check(record->record_class, record->type, record->schema);
  } else {
    known = std::unexpected(std::move(record.error()));
  }
  if (!known) {
    return fail(known.error().code, fmt::format("the journal cannot be read beyond position {}: {}",
                                                position.number() - 1, known.error().message));
  }
  return std::make_shared<StoredRecord>(position, std::move(category), std::move(*record));
}

Page cut_page(std::vector<RecordPtr> found, const PageLimits& limits, Position end) {
  Page page;
  std::size_t bytes = 0;
  std::size_t fitting = 0;
  while (fitting < found.size() && fitting < limits.records) {
    bytes += found[fitting]->record.body.size();
    if (bytes > limits.bytes && fitting > 0) {
      break;
    }
    ++fitting;
  }
  page.at_end = fitting == found.size();
  found.resize(fitting);
  page.records = std::move(found);
  const Position last = page.records.empty() ? Position() : page.records.back()->position;
  page.next = page.at_end && end.covers(last) ? end : last;
  return page;
}

}  // namespace flotilla::journal
