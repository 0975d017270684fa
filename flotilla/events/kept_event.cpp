#include "flotilla/events/kept_event.hpp"

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/events/core/event_json.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::events {

Result<> append_kept_event(std::string& out, const journal::StoredRecord& stored) {
  const auto event = journal::decode_event(stored.record.body);
  if (!event) {
    return fail(event.error().code,
                fmt::format("the event at {} of topic {} cannot be read: {}", stored.position.text(),
                            stored.category, event.error().message));
  }
  append_event(out, *event, iso_time(WallTime{stored.record.time.value() * 1'000'000}));
  return {};
}

}  // namespace flotilla::events
