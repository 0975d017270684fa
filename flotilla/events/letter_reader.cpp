#include "flotilla/events/letter_reader.hpp"

#include <fmt/format.h>

namespace flotilla::events {

net::Task<Result<DeadLetterPtr>> read_letter(journal::Journal& journal, journal::StreamId stream) {
  DeadLetter letter;
  journal::StreamQuery query{.record_class = journal::RecordClass::queue, .stream = stream};
  for (;;) {
    const auto page = co_await journal.read(query);
    if (!page) {
      co_return std::unexpected(page.error());
    }
    for (const journal::RecordPtr& stored : page->records) {
      if (const auto folded = fold(letter, stored->record); !folded) {
        co_return fail(folded.error().code, fmt::format("dead letter {} cannot be read: {}", stream.value(),
                                                        folded.error().message));
      }
      query.after_version = stored->record.version;
    }
    if (page->at_end) {
      co_return letter.version == 0 ? nullptr : std::make_shared<const DeadLetter>(std::move(letter));
    }
  }
}

}  // namespace flotilla::events
