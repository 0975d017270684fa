#include "flotilla/cqrs/view_follower.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/moment.hpp"

namespace flotilla::cqrs {

using journal::RecordClass;

ViewFollower::ViewFollower(std::string name, journal::Journal& journal, ViewPtr view, net::Loop& loop)
    : name_(std::move(name)),
      journal_(journal),
      view_(std::move(view)),
      loop_(loop),
      quiet_(journal.shards()),
      door_(std::make_shared<Door>()) {
  door_->loop = &loop;
  door_->follower = this;
  view_->on_wanted([door = door_] {
    if (!door->wanted.exchange(true)) {
      door->loop->post([door] {
        door->wanted = false;
        if (door->follower != nullptr) {
          door->follower->asked_ = true;
          door->follower->asking_.set();
        }
      });
    }
  });
}

ViewFollower::~ViewFollower() {
  door_->follower = nullptr;
  view_->on_wanted({});
  tasks_.cancel_all();
}

net::Task<> ViewFollower::look_forever() {
  for (;;) {
    asked_ = false;
    const Instant begin = loop_.now();
    const auto looked = co_await look();
    std::string trouble = looked ? std::string() : looked.error().message;
    if (looked) {
      view_->looked(begin);
    } else if (trouble != trouble_) {
      log::warning("view {}: what another process has made of it cannot be read now: {}", name_, trouble);
    }
    trouble_ = std::move(trouble);
    if (view_->has_waiting()) {
      co_await net::sleep_for(loop_, kPressed);
    } else if (!asked_) {
      co_await asking_.wait(saturating_add(loop_.now(), kIdle));
    }
  }
}

net::Task<Result<>> ViewFollower::look() {
  const auto kept = co_await journal_.cursor(record_cursor(name_));
  if (!kept) {
    co_return std::unexpected(kept.error());
  }
  auto record = *kept ? decode_view_record((*kept)->state) : Result<ViewRecord>(ViewRecord{});
  if (!record) {
    co_return std::unexpected(std::move(record.error()));
  }
  ViewReport found{.loaded = true, .live = {}, .building = {}, .doomed = record->doomed.size()};
  if (record->building) {
    auto building = co_await version(*record->building);
    if (!building) {
      co_return std::unexpected(std::move(building.error()));
    }
    found.building = std::move(*building);
  }
  if (!record->live) {
    report_ = std::move(found);
    view_->say("it is built for the first time, by another process");
    co_return Result<>();
  }
  auto live = co_await version(*record->live);
  if (!live) {
    co_return std::unexpected(std::move(live.error()));
  }
  if (!*live) {
    co_return fail(Errc::unavailable, "another version has just taken its place");
  }
  found.live = std::move(*live);
  const auto behind = co_await look_behind(*record->live, found.live->checkpoint.position);
  if (!behind) {
    co_return std::unexpected(behind.error());
  }
  found.live->position = behind->quiet;
  quiet_of_ = record->live->generation;
  quiet_ = behind->quiet;
  view_->say({});
  view_->publish({.generation = record->live->generation,
                  .position = behind->quiet,
                  .changed = {},
                  .behind_since_ms = behind->since_ms},
                 *record->live, {.begins = false, .epoch = {}});
  report_ = std::move(found);
  co_return Result<>();
}

// Nothing: its checkpoint is not there, because it has just gone.
net::Task<Result<std::optional<VersionReport>>> ViewFollower::version(const ViewVersion& version) {
  const auto cursor =
      co_await journal_.cursor(checkpoint_cursor(name_, version.generation, version.texts.from.front()));
  if (!cursor) {
    co_return std::unexpected(cursor.error());
  }
  if (!*cursor) {
    co_return std::nullopt;
  }
  auto checkpoint = decode_checkpoint((*cursor)->position, (*cursor)->state, journal_.shards());
  if (!checkpoint) {
    co_return std::unexpected(std::move(checkpoint.error()));
  }
  VersionReport report{.version = version, .checkpoint = *checkpoint, .position = {}, .failure = {}};
  report.position = std::move(checkpoint->position);
  co_return report;
}

net::Task<Result<ViewFollower::Behind>> ViewFollower::look_behind(const ViewVersion& version,
                                                                  journal::ReadToken from) {
  Behind behind{.quiet = std::move(from), .since_ms = 0};
  if (version.generation == quiet_of_) {  // its checkpoint has only gone forward since
    behind.quiet.advance_to(quiet_);
  }
  const auto ends = co_await journal::positions(journal_);
  if (!ends) {
    co_return std::unexpected(ends.error());
  }
  for (std::uint32_t shard = 0; shard < ends->shards(); ++shard) {
    if (behind.quiet.covers(ends->at(shard))) {
      continue;
    }
    if (auto looked = co_await look_behind(version.texts.from, shard, behind); !looked) {
      co_return std::unexpected(std::move(looked.error()));
    }
  }
  co_return behind;
}

net::Task<Result<>> ViewFollower::look_behind(const std::vector<std::string>& topics, std::uint32_t shard,
                                              Behind& behind) {
  const journal::Position after = behind.quiet.at(shard);
  std::optional<journal::Position> end;
  for (const std::string& topic : topics) {
    const auto page = co_await journal_.read(journal::CategoryQuery{
        .record_class = RecordClass::topic, .category = topic, .after = after, .limits = {.records = 1}});
    if (!page) {
      co_return std::unexpected(page.error());
    }
    journal::Position clear = page->next;
    if (!page->records.empty()) {
      const journal::StoredRecord& first = *page->records.front();
      clear = journal::Position(first.position.number() - 1, shard);
      const std::int64_t since = first.record.time.value();
      behind.since_ms = behind.since_ms == 0 ? since : std::min(behind.since_ms, since);
    }
    end = end && clear.covers(*end) ? end : clear;
  }
  behind.quiet.advance_to(*end);
  co_return Result<>();
}

}  // namespace flotilla::cqrs
