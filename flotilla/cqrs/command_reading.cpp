#include "flotilla/cqrs/command_reading.hpp"

#include <utility>

namespace flotilla::cqrs {

CommandRefusal refusal_of(const Error& error) {
  return {.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
          .detail = error.message,
          .code = {},
          .service = {},
          .effect = Effect::none,
          .retry_after = std::chrono::seconds(1)};
}

net::Task<CommandInput> carry_out(journal::Journal& journal, effect::FindHolder find) {
  auto holder = co_await journal.find(std::move(find.scope), std::move(find.key));
  if (!holder) {
    co_return input::Failed{refusal_of(holder.error())};
  }
  co_return input::Holder{*holder};
}

net::Task<CommandInput> carry_out(journal::Journal& journal, effect::ReadRecords read) {
  const auto page = co_await journal.read(
      journal::StreamQuery{.record_class = journal::RecordClass::aggregate,
                           .stream = read.stream,
                           .after_version = read.after,
                           .limits = {.records = read.limit, .bytes = journal::kMaxPageBytes}});
  if (!page) {
    co_return input::Failed{refusal_of(page.error())};
  }
  input::Records in{.records = {}, .at_end = page->at_end, .seen = page->next};
  in.records.reserve(page->records.size());
  for (const journal::RecordPtr& each : page->records) {
    in.records.push_back({.version = each->record.version,
                          .position = each->position,
                          .type = each->record.type,
                          .body = each->record.body});
  }
  co_return in;
}

net::Task<CommandInput> carry_out(journal::Journal& journal, effect::ReadSnapshot read) {
  auto snapshot = co_await journal.snapshot(read.stream, read.fold);
  if (!snapshot) {
    co_return input::Failed{refusal_of(snapshot.error())};
  }
  if (!*snapshot) {
    co_return input::SnapshotFound{};
  }
  co_return input::SnapshotFound{.version = (*snapshot)->version, .state = std::move((*snapshot)->state)};
}

}  // namespace flotilla::cqrs
