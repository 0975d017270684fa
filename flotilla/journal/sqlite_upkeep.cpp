// What the embedded journal does with topics beside appending and reading: deletion, compaction, erasure.
#include <algorithm>
#include <utility>

#include "flotilla/journal/sqlite_journal.hpp"

namespace flotilla::journal {

TopicUpkeep* topic_upkeep(Journal& journal) noexcept { return dynamic_cast<TopicUpkeep*>(&journal); }
CompactionUpkeep* compaction_upkeep(Journal& journal) noexcept {
  return dynamic_cast<CompactionUpkeep*>(&journal);
}
PersonalUpkeep* personal_upkeep(Journal& journal) noexcept { return dynamic_cast<PersonalUpkeep*>(&journal); }

void SqliteJournal::forget_topic(std::string topic, Position until, Done<Result<std::int64_t>> done) {
  add_job({.work =
               [topic, until](SqliteWriter& writer) {
                 return writer.forget_topic(topic, until, static_cast<std::int64_t>(kMaxForgotten));
               },
           .done =
               [this, topic, done = std::move(done)](Result<std::int64_t> gone) mutable {
                 if (gone && *gone > 0) {
                   note_removal(topic);
                   tail_.restart_at(tail_.end());  // the newest records are in memory, too
                 }
                 done(std::move(gone));
               }});
}

void SqliteJournal::forget_records(std::string topic, std::vector<Position> positions,
                                   Done<Result<std::int64_t>> done) {
  positions.resize(std::min(positions.size(), kMaxForgotten));
  std::ranges::sort(positions, {}, &Position::number);
  const Position last = positions.empty() ? Position() : positions.back();
  add_job({.work = [topic, positions = std::move(positions)](
                       SqliteWriter& writer) { return writer.forget_records(topic, positions); },
           .done =
               [this, topic, last, done = std::move(done)](Result<std::int64_t> gone) mutable {
                 if (gone && *gone > 0) {
                   note_removal(topic);
                 }
                 if (gone && *gone > 0 && tail_.holds(last)) {
                   tail_.restart_at(tail_.end());
                 }
                 done(std::move(gone));
               }});
}

TopicSizes* topic_sizes(Journal& journal) noexcept { return dynamic_cast<TopicSizes*>(&journal); }

void SqliteJournal::forget_oldest(std::string topic, Position until, Done<Result<std::int64_t>> done) {
  add_job({.work =
               [topic = std::move(topic), until](SqliteWriter& writer) {
                 return writer.forget_oldest(topic, until, static_cast<std::int64_t>(kMaxForgotten));
               },
           .done =
               [this, until, done = std::move(done)](Result<std::int64_t> gone) mutable {
                 if (gone && *gone > 0 && tail_.holds(until)) {
                   tail_.restart_at(tail_.end());
                 }
                 done(std::move(gone));
               }});
}

std::uint64_t SqliteJournal::removals(std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  const auto found = removals_.find(topic);
  return removals_of_all_ + (found == removals_.end() ? 0 : found->second);
}

void SqliteJournal::note_removal(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  ++(topic.empty() ? removals_of_all_ : removals_[topic]);
}

void SqliteJournal::consumed(std::string topic, Done<Result<std::int64_t>> done) {
  add_job({.work = [topic = std::move(topic)](SqliteWriter& writer) { return writer.consumed(topic); },
           .done = std::move(done),
           .in_transaction = false});
}

void SqliteJournal::forget_scope(std::string scope, Done<Result<std::int64_t>> done) {
  add_job({.work =
               [scope = std::move(scope)](SqliteWriter& writer) {
                 return writer.forget_scope(scope, static_cast<std::int64_t>(kMaxForgotten));
               },
           .done = std::move(done)});
}

void SqliteJournal::set_personal(std::map<std::string, PersonalFields, std::less<>> by_topic) {
  const bool some = !by_topic.empty();
  vault_.set_policies(std::move(by_topic));
  if (some) {
    add_job({.work =
                 [](SqliteWriter& writer) {
                   writer.delete_for_good();
                   return 0;
                 },
             .done = [](Result<std::int64_t>) {},
             .in_transaction = false});
  }
}

// On the writer's thread, so that no batch is sealed under the key at the same time; what was committed
// before is in memory as it was published.
void SqliteJournal::erase_key(std::string subject, Done<Result<std::int64_t>> done) {
  auto erased = std::make_shared<Result<std::int64_t>>(0);
  add_job({.work =
               [this, erased, subject = std::move(subject)](SqliteWriter&) {
                 *erased = vault_.erase(subject, now());
                 tail_.restart_at(tail_.end());
                 return 0;
               },
           .done = [erased, done = std::move(done)](
                       Result<std::int64_t> ran) mutable { done(ran ? std::move(*erased) : std::move(ran)); },
           .in_transaction = false});
}

void SqliteJournal::scrub(Done<Result<std::int64_t>> done) {
  add_job({.work = [this](SqliteWriter&) { return cut_log(); },
           .done = std::move(done),
           .in_transaction = false});
}

}  // namespace flotilla::journal
