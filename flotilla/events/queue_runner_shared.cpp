// Queues in a journal that several processes share: who runs one, what the others know of it, and what they
// ask of whoever runs it.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/base/sha256.hpp"
#include "flotilla/events/answers.hpp"
#include "flotilla/events/queue_runner.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::events {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(250);
// What a queue that leaves may take to end what it has under way.
constexpr Duration kLetGo = std::chrono::seconds(5);
// Looking at the keys of a long queue takes at most such a share of the time.
constexpr int kLookShare = 10;

std::unexpected<Refusal> moving(std::string why) {
  return std::unexpected(Refusal{
      .reason = Reason::store_unavailable, .detail = std::move(why), .retry_after = std::chrono::seconds(1)});
}

}  // namespace

std::uint32_t QueueRunner::home_shard(std::string_view queue) const noexcept {
  if (!is_shared()) {
    return 0;
  }
  const Sha256 hash = sha256(fmt::format("queue\n{}", queue));
  return (static_cast<std::uint32_t>(hash[0]) << 8 | hash[1]) % journal_.shards();
}

// On its loop. It runs here while we have the lease, and is made anew under another one.
void QueueRunner::look(const PartPtr& part) {
  if (part->leaving) {
    return;
  }
  const auto lease = journal_.ownership().lease(part->home);
  if (part->shard && (!lease || lease->epoch != part->epoch)) {
    part->leaving = true;
    ending_[part->host_index]->spawn(let_go(part, lease ? Duration::zero() : kLetGo));
    return;
  }
  if (part->shard || !lease || part->gone) {
    return;
  }
  part->epoch = lease->epoch;
  part->board.forget();
  part->shard = std::make_unique<QueueShard>(
      part->queue, journal_, QueueShard::Shared{part->counters, part->gauges, part->board}, part->host,
      QueueShard::Seat{
          .shard = part->home, .epoch = lease->epoch, .seed = part->seed, .status_base = status_base_});
  part->shard->start();
}

net::Task<> QueueRunner::let_go(PartPtr part, Duration grace) {
  part->board.forget();
  co_await part->shard->drain(saturating_add(part->host.loop->now(), grace));
  part->shard.reset();
  part->leaving = false;
  QueueGauges& gauges = part->gauges;  // whoever runs it now tells
  for (std::atomic<std::uint64_t>* each : {&gauges.open, &gauges.in_flight, &gauges.dead, &gauges.bytes}) {
    *each = 0;
  }
  gauges.oldest_ms = 0;
  gauges.failed = false;
  log::info("queue {}: another process runs it", part->queue->name());
}

net::Task<> QueueRunner::tend(PartPtr part) {
  journal::Position seen;
  Duration pause = kLook;
  while (!part->gone) {
    look(part);
    if (part->shard || part->leaving) {
      seen = {};
      pause = kLook;
    } else if (const journal::Position now = journal_.position(part->home);
               part->queue->fallback.key && now != seen) {
      const Instant begin = part->host.loop->now();
      if (co_await look_at_keys(part)) {
        seen = now;
      }
      pause = std::max(kLook, (part->host.loop->now() - begin) * kLookShare);
    }
    co_await net::sleep_for(*part->host.loop, pause);
  }
}

// Which keys wait in a queue that runs elsewhere, as the journal has it. Until it is known all of them do.
net::Task<bool> QueueRunner::look_at_keys(PartPtr part) {
  std::unordered_set<std::string> keys;
  for (const QueueState state : {QueueState::pending, QueueState::sending}) {
    journal::SummaryQuery query{.record_class = journal::RecordClass::queue,
                                .name = part->queue->name(),
                                .state = std::string(to_string(state)),
                                .shard = part->home,
                                .newest_first = false,
                                .after = {},
                                .limit = journal::kMaxSummaries,
                                .changed_before = {},
                                .search = {}};
    for (;;) {
      const auto rows = co_await journal_.list(query);
      if (!rows) {
        co_return false;
      }
      for (const journal::Summary& row : *rows) {
        const auto item = read_attributes(row.attributes, row.stream, row.state);
        if (item && !item->key.empty()) {
          keys.insert(item->key);
        }
      }
      if (rows->size() < query.limit) {
        break;
      }
      query.after = rows->back().stream;
    }
  }
  if (part->shard == nullptr && !part->leaving) {
    part->board.replace(std::move(keys));
  }
  co_return true;
}

net::Task<call::Taken> QueueRunner::take_elsewhere(PartPtr part, call::DeferredCall deferred) {
  call::Taken failed{.id = {}, .status_url = {}, .detail = {}, .maybe_kept = false};
  ForwardedTake take{.queue = part->queue->name(), .call = std::move(deferred)};
  const auto answer = co_await ask_owner(journal_, part->home, write_forwarded(std::move(take), seal_));
  if (!answer) {
    failed.detail = answer.error().why;
    failed.maybe_kept = answer.error().reached;
    co_return failed;
  }
  auto taken = read_taken(*answer);
  if (!taken) {
    failed.detail = "the process that runs the queue says what is not understood here";
    failed.maybe_kept = true;
    co_return failed;
  }
  if (!taken->id.empty()) {
    taken->status_url = fmt::format("{}/v1/queues/{}/{}", status_base_, part->queue->name(), taken->id);
  }
  co_return *std::move(taken);
}

net::Task<Asked<std::monostate>> QueueRunner::operate_elsewhere(PartPtr part, Ulid id, QueueVerb verb,
                                                                std::string who_why) {
  const ForwardedVerb asked{
      .queue = part->queue->name(), .id = id.text(), .verb = verb, .who_why = std::move(who_why)};
  const auto answer = co_await ask_owner(journal_, part->home, write_forwarded(asked, seal_));
  if (!answer) {
    co_return moving(answer.error().why);
  }
  auto done = read_done(*answer);
  co_return done ? *std::move(done)
                 : moving("the process that runs the queue says what is not understood here");
}

// What the journal has of a queue that runs elsewhere.
net::Task<QueueReport> QueueRunner::report_elsewhere(PartPtr part) {
  QueueReport seen{.queue = part->queue, .state = "elsewhere", .failure = {}, .view = {}};
  const auto counts = co_await journal_.count(journal::CountQuery{
      .record_class = journal::RecordClass::queue, .name = part->queue->name(), .state = {}});
  if (!counts) {
    seen.failure = counts.error().message;
    co_return seen;
  }
  for (const journal::StateCount& each : *counts) {
    const auto state = parse_queue_state(each.state);
    seen.view.open += state == QueueState::pending || state == QueueState::sending ? each.count : 0;
    seen.view.in_flight += state == QueueState::sending ? each.count : 0;
    seen.view.dead += state == QueueState::dead ? each.count : 0;
  }
  co_return seen;
}

net::Task<http::Response> QueueRunner::answer_forwarded(http::Request request) {
  auto asked = seal_ ? read_forwarded(request, seal_)
                     : Asked<ForwardedToQueue>(refuse(Reason::forbidden, "this journal is not shared"));
  if (!asked) {
    co_return refusal_answer(asked.error());
  }
  const std::string name = std::visit([](const auto& each) { return each.queue; }, *asked);
  const PartPtr part = part_of(name);
  if (auto* const take = std::get_if<ForwardedTake>(&*asked)) {
    call::Taken taken{.id = {},
                      .status_url = {},
                      .detail = part == nullptr ? fmt::format("the file of the process that should run queue "
                                                              "'{}' does not name it",
                                                              name)
                                                : "the queue is on its way to another process: ask again",
                      .maybe_kept = false};
    if (part != nullptr && journal_.ownership().lease(part->home)) {
      take->call.queue = part->queue->fallback;
      taken = co_await take_here(part, std::move(take->call));
    }
    co_return http::json_response(json::write(write_answer(taken)));
  }
  auto& verb = std::get<ForwardedVerb>(*asked);
  const auto id = Ulid::parse(verb.id);
  Asked<std::monostate> done = moving("the queue is on its way to another process: ask again");
  if (part != nullptr && id && journal_.ownership().lease(part->home)) {
    auto found = co_await find(name, *id);
    if (found) {
      done = co_await operate_here(part, *std::move(found), verb.verb, std::move(verb.who_why));
    } else {
      done = std::unexpected(std::move(found.error()));
    }
  }
  co_return http::json_response(json::write(write_answer(done)));
}

}  // namespace flotilla::events
