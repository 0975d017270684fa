// How a subscription reads: what is saved of it, its topic, and the dead letters that are to be sent again.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/events/letter_reader.hpp"
#include "flotilla/events/subscription_shard.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/journal/core/event_value.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

// How long one wait for new events lasts at most; then it waits again.
constexpr Duration kFetchWait = std::chrono::seconds(30);

}  // namespace

net::Task<Result<SubscriptionProgress>> SubscriptionShard::saved() {
  const std::string name = cursor_name(subscription_->policy.name, seat_.place);
  auto cursor = co_await journal_.cursor(name);
  if (!cursor) {
    co_return std::unexpected(std::move(cursor.error()));
  }
  if (!*cursor) {
    SubscriptionProgress fresh{.mark = seat_.from.number()};
    while (!co_await save_start(fresh)) {
      co_await net::sleep_for(*host_.loop, kAppendAgain);
    }
    co_return fresh;
  }
  if ((*cursor)->category != subscription_->policy.topic) {
    co_return fail(
        Errc::conflict,
        fmt::format("it has come so far in topic {}, and the file says topic {}: give the subscription "
                    "another name",
                    (*cursor)->category, subscription_->policy.topic));
  }
  co_return decode_progress((*cursor)->position.number(), (*cursor)->state);
}

// So that a new subscription has begun where it says, whatever happens next.
net::Task<bool> SubscriptionShard::save_start(const SubscriptionProgress& progress) {
  SubscriptionBatch made =
      make_batch({.progress = progress, .caused = {}}, subscription_->policy, seat_.place, {});
  made.batch.epoch = seat_.epoch;
  made.batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  const auto done = co_await journal_.append(std::move(made.batch));
  co_return done.has_value() || std::holds_alternative<journal::StaleEpoch>(done.error());
}

net::Task<> SubscriptionShard::load(Duration pause) {
  for (;;) {
    if (pause > Duration::zero()) {
      co_await net::sleep_for(*host_.loop, pause);
    }
    if (stopped_ || draining_) {
      co_return;
    }
    auto progress = co_await saved();
    if (progress) {
      loaded_ = true;
      feed(input::Load{.progress = *std::move(progress)});
      co_return;
    }
    const Errc code = progress.error().code;
    if (code != Errc::unavailable && code != Errc::limit) {
      fail_for_good(std::move(progress.error().message));
      co_return;
    }
    if (pause == Duration::zero()) {
      log::error("subscription {}: cannot be read yet: {}", subscription_->policy.name,
                 progress.error().message);
    }
    pause = kReloadPause;
  }
}

void SubscriptionShard::carry_out(effect::Fetch& fetch) {
  fetch_ = fetch.fetch;
  tasks_.spawn(this->fetch(fetch));
}

net::Task<> SubscriptionShard::fetch(effect::Fetch fetch) {
  const auto wanted = [&] { return fetch_ == fetch.fetch && !stopped_ && !draining_; };
  const std::string& topic = subscription_->policy.topic;
  journal::Position after(fetch.after, seat_.place.shard);
  bool told = false;
  while (wanted()) {
    auto page = co_await journal_.read(journal::CategoryQuery{.record_class = journal::RecordClass::topic,
                                                              .category = topic,
                                                              .after = after,
                                                              .limits = {.records = fetch.events}});
    if (!wanted()) {
      co_return;
    }
    if (page && !page->records.empty()) {
      input::Arrived in{.fetch = fetch.fetch, .read_to = page->next.number()};
      for (const journal::RecordPtr& stored : page->records) {
        auto event = arrived(*stored);
        if (!event) {
          fail_for_good(fmt::format("the record at position {} of topic {} cannot be read: {}",
                                    stored->position.text(), topic, event.error().message));
          co_return;
        }
        in.events.push_back(*std::move(event));
      }
      feed(std::move(in));
      co_return;
    }
    if (page) {
      after = page->next;
      const auto more = co_await journal_.wait(journal::RecordClass::topic, topic, after,
                                               saturating_add(host_.loop->now(), kFetchWait));
      if (more) {
        continue;
      }
      page = std::unexpected(more.error());
    }
    const Errc code = page.error().code;
    if (code != Errc::unavailable && code != Errc::limit) {
      fail_for_good(std::move(page.error().message));
      co_return;
    }
    if (!std::exchange(told, true)) {
      log::error("subscription {}: topic {} cannot be read yet: {}", subscription_->policy.name, topic,
                 page.error().message);
    }
    co_await net::sleep_for(*host_.loop, kReloadPause);
  }
}

Result<ArrivedEvent> SubscriptionShard::arrived(const journal::StoredRecord& stored) {
  auto event = journal::decode_event(stored.record.body);
  if (!event) {
    return std::unexpected(std::move(event.error()));
  }
  const std::uint64_t position = stored.position.number();
  recorded_.emplace(position, stored.record.time.value());
  return admit(position, std::make_shared<const journal::Event>(*std::move(event)));
}

ArrivedEvent SubscriptionShard::admit(std::uint64_t position, EventPtr event) const {
  ArrivedEvent out{.position = position, .event = std::move(event)};
  out.key = out.event->attribute("partitionkey");
  if (const std::string_view expires = out.event->attribute("expirytime"); !expires.empty()) {
    if (const auto at = parse_iso_time(expires)) {
      out.expires = std::max<std::int64_t>(at->ns_since_epoch / 1'000'000, 1);
    }
  }
  if (!subscription_->reads_data()) {
    return out;
  }
  const auto broken = [&out](std::string why) {
    out.admission = ArrivedEvent::Admission::broken;
    out.detail = std::move(why);
    return out;
  };
  const auto data =
      out.event->data.empty() ? Result<json::Value>(json::Value()) : json::parse(out.event->data);
  if (!data) {
    return broken("the data is not JSON: " + data.error().message);
  }
  if (subscription_->filter) {
    const std::array<json::Value, 1> variables{journal::event_value(*out.event, *data)};
    const auto verdict = expr::evaluate_first(*subscription_->filter, *data, variables);
    if (!verdict) {
      return broken("filter: " + verdict.error().message());
    }
    if (!verdict->is_true()) {
      out.admission = ArrivedEvent::Admission::filtered;
      return out;
    }
  }
  if (subscription_->has_holes) {
    if (const auto target = target_of(*out.event); !target) {
      return broken("deliver: " + target.error().message);
    }
  }
  return out;
}

Result<std::string> SubscriptionShard::target_of(const journal::Event& event) const {
  const json::Value nothing;
  const json::Value empty = json::Value::object();
  json::Value data;
  if (subscription_->has_holes && !event.data.empty()) {
    auto parsed = json::parse(event.data);
    if (!parsed) {
      return std::unexpected(std::move(parsed.error()));
    }
    data = *std::move(parsed);
  }
  auto target = subscription_->deliver->render(
      {.input = data, .path = empty, .query = empty, .headers = empty, .body = nothing});
  if (!target) {
    return flotilla::fail(Errc::invalid, std::move(target.error().message));
  }
  return *std::move(target);
}

void SubscriptionShard::carry_out(effect::FetchRedrives& fetch) {
  redrive_fetch_ = fetch.fetch;
  tasks_.spawn(this->fetch_redrives(std::move(fetch)));
}

net::Task<> SubscriptionShard::fetch_redrives(effect::FetchRedrives fetch) {
  const auto wanted = [&] { return redrive_fetch_ == fetch.fetch && !stopped_ && !draining_; };
  bool told = false;
  while (wanted()) {
    auto read = co_await read_redrives(fetch);
    if (!wanted()) {
      co_return;
    }
    if (read) {
      feed(*std::move(read));
      co_return;
    }
    const Errc code = read.error().code;
    if (code != Errc::unavailable && code != Errc::limit) {
      fail_for_good(std::move(read.error().message));
      co_return;
    }
    if (!std::exchange(told, true)) {
      log::error("subscription {}: dead letters cannot be read yet: {}", subscription_->policy.name,
                 read.error().message);
    }
    co_await net::sleep_for(*host_.loop, kReloadPause);
  }
}

net::Task<Result<input::Redrives>> SubscriptionShard::read_redrives(const effect::FetchRedrives& fetch) {
  input::Redrives in{.fetch = fetch.fetch, .letters = {}};
  journal::SummaryQuery query{.record_class = journal::RecordClass::queue,
                              .name = letter_row_name(subscription_->policy.name),
                              .state = std::string(to_string(LetterState::replaying)),
                              .shard = seat_.place.shard,
                              .newest_first = false,
                              .limit = fetch.letters + fetch.had.size(),
                              .search = {}};
  const auto rows = co_await journal_.list(query);
  if (!rows) {
    co_return std::unexpected(rows.error());
  }
  in.more = rows->size() == query.limit;
  std::size_t bytes = 0;
  for (const journal::Summary& row : *rows) {
    if (std::ranges::binary_search(fetch.had, row.stream.value())) {
      continue;
    }
    if (bytes >= fetch.bytes) {
      in.more = true;
      break;
    }
    auto letter = co_await read_letter(journal_, row.stream);
    if (!letter) {
      co_return std::unexpected(std::move(letter.error()));
    }
    if (!*letter || (*letter)->state != LetterState::replaying) {
      continue;  // it has gone on since its row was read
    }
    auto event = std::make_shared<const journal::Event>(original_of(**letter));
    bytes += size_of(*event);
    const auto position = journal::Position::parse((*letter)->position());
    in.letters.push_back({.letter = row.stream.value(),
                          .kept = *std::move(letter),
                          .arrived = admit(position ? position->number() : 0, std::move(event))});
  }
  co_return in;
}

}  // namespace flotilla::events
