#include "flotilla/events/core/deadline_watch.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {

journal::Event alert_event(const Choreography& choreography, const DueRow& due) {
  using json::Value;
  Value missing = Value::array();
  for (const std::string& topic : due.missing) {
    missing.push_back(topic);
  }
  const Value data = Value::object({{"choreography", choreography.name},
                                    {"id", due.id},
                                    {"after", due.after},
                                    {"event", due.event},
                                    {due.all ? "all_of" : "one_of", missing},
                                    {"due", iso_time({due.due_ms * 1'000'000})}});
  return {.attributes = {{"id", due.alert},
                         {"source", alert_source(choreography.name)},
                         {"type", choreography.on_overdue},
                         {"subject", due.id},
                         {"datacontenttype", "application/json"},
                         {"partitionkey", due.id},
                         {"correlationid", due.correlation},
                         {"causationid", due.event}},
          .data = json::write(data)};
}

WatchEffect DeadlineWatch::looked(std::vector<DueRow> due, journal::ReadToken position, std::int64_t now_ms) {
  std::ranges::reverse(due);
  due_ = std::move(due);
  seen_ = std::move(position);
  told_.reset();
  return next(now_ms);
}

WatchEffect DeadlineWatch::told(journal::Position position, std::int64_t now_ms) {
  if (!told_ || !told_->covers(position)) {
    told_ = position;
  }
  return next(now_ms);
}

WatchEffect DeadlineWatch::failed(std::int64_t now_ms) {
  const bool gives_up = planted_ == FollowFault::give_up;
  due_.clear();
  return Rest{.seen = seen_,
              .position = gives_up ? std::optional(journal::Position(UINT64_MAX)) : std::nullopt,
              .until_ms = gives_up ? INT64_MAX : now_ms + kAgainMs};
}

WatchEffect DeadlineWatch::next(std::int64_t now_ms) {
  const std::int64_t early = planted_ == FollowFault::publish_early ? 20 : 0;
  if (!due_.empty() && due_.back().due_ms - early <= now_ms) {
    TellOverdue tell{std::move(due_.back())};
    due_.pop_back();
    ++tells_;
    if (planted_ == FollowFault::another_id) {
      tell.due.alert += fmt::format("/{}", tells_);
    }
    return tell;
  }
  if (told_) {  // what is due stands there until that is folded
    return Rest{.seen = seen_, .position = told_, .until_ms = now_ms + kAgainMs};
  }
  std::int64_t until = now_ms + kRestMs;
  if (!due_.empty()) {
    until = std::min(until, due_.back().due_ms);
  }
  return Rest{.seen = seen_, .position = {}, .until_ms = until};
}

}  // namespace flotilla::events
