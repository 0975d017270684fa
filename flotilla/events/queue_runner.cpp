#include "flotilla/events/queue_runner.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/events/queue_batch.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

// What a queue that changed may take to end what it has under way.
constexpr Duration kLetGo = std::chrono::seconds(5);
constexpr std::size_t kForgottenAtOnce = 500;
// Whether one that another process takes over has ended here.
constexpr Duration kLookAgain = std::chrono::milliseconds(10);

std::unexpected<Refusal> unknown(const std::string& name) {
  return refuse(Reason::not_found, fmt::format("the file names no queue '{}'", name.substr(0, 64)));
}

std::unexpected<Refusal> unavailable(const Error& error) {
  return refuse(Reason::store_unavailable, error.message);
}

// Gives `otherwise` when whatever holds it goes before it was called.
template <class T>
class Answering {
 public:
  Answering(journal::Done<T> done, T otherwise) : done_(std::move(done)), otherwise_(std::move(otherwise)) {}
  Answering(Answering&& other) noexcept
      : done_(std::exchange(other.done_, nullptr)), otherwise_(std::move(other.otherwise_)) {}
  Answering& operator=(Answering&&) = delete;
  ~Answering() {
    if (done_) {
      done_(std::move(otherwise_));
    }
  }
  void give(T answer) { std::exchange(done_, nullptr)(std::move(answer)); }

 private:
  journal::Done<T> done_;
  T otherwise_;
};

}  // namespace

QueueRunner::~QueueRunner() { stop(); }

void QueueRunner::start(const std::vector<QueuePtr>& queues, std::vector<QueueHost> hosts) {
  hosts_ = std::move(hosts);
  ending_.resize(hosts_.size());
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    run_on(*hosts_[i].loop, [this, i] { ending_[i] = std::make_unique<net::Scope>(); });
  }
  for (const QueuePtr& each : queues) {
    add(each);
  }
}

void QueueRunner::add(const QueuePtr& queue) {
  auto part = std::make_shared<Part>();
  part->queue = queue;
  part->host_index = std::hash<std::string>{}(queue->name()) % hosts_.size();
  part->host = hosts_[part->host_index];
  part->home = home_shard(queue->name());
  part->seed = seed_ + ++seeds_;
  run_on(*part->host.loop, [this, &part] {
    look(part);
    if (is_shared()) {
      ending_[part->host_index]->spawn(tend(part));
    }
  });
  const std::lock_guard lock(mutex_);
  parts_.insert_or_assign(queue->name(), std::move(part));
}

void QueueRunner::replace(const std::vector<QueuePtr>& queues) {
  std::vector<QueuePtr> fresh;
  std::vector<PartPtr> gone;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, PartPtr, std::less<>> kept;
    for (const QueuePtr& each : queues) {
      const auto found = parts_.find(each->name());
      if (found != parts_.end()) {
        kept.insert(*found);
      }
      if (found == parts_.end() || found->second->queue->fallback.written != each->fallback.written ||
          found->second->queue->service != each->service) {
        fresh.push_back(each);
      }
    }
    for (const auto& [name, part] : parts_) {
      if (!kept.contains(name) ||
          std::ranges::any_of(fresh, [&](const QueuePtr& each) { return each->name() == name; })) {
        gone.push_back(part);
      }
    }
    // One that changed stays until the new one is there, so that no call overtakes what waits.
    parts_ = std::move(kept);
  }
  // Only one may settle what is in a stream.
  for (const PartPtr& part : gone) {
    end(part, kLetGo);
  }
  for (const QueuePtr& each : fresh) {
    add(each);
  }
}

// Blocks until its attempts have ended, or the grace has passed.
void QueueRunner::end(const PartPtr& part, Duration grace) {
  std::promise<void> ended;
  part->host.loop->post([this, &part, &ended, grace] {
    part->gone = true;
    ending_[part->host_index]->spawn(
        [](PartPtr leaving, std::promise<void>& done, Duration patience) -> net::Task<> {
          while (leaving->leaving) {
            co_await net::sleep_for(*leaving->host.loop, kLookAgain);
          }
          if (leaving->shard) {
            co_await leaving->shard->drain(saturating_add(leaving->host.loop->now(), patience));
            leaving->shard.reset();
          }
          done.set_value();
        }(part, ended, grace));
  });
  ended.get_future().wait();
}

void QueueRunner::drain(Duration grace, std::function<void()> done) {
  std::vector<PartPtr> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, part] : parts_) {
      all.push_back(part);
    }
  }
  if (all.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(all.size());
  const auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const PartPtr& part : all) {
    part->host.loop->post([part, grace, left, finish] {
      const auto one = [](QueueShard& shard, Instant deadline, auto last, auto call) -> net::Task<> {
        co_await shard.drain(deadline);
        if (last->fetch_sub(1) == 1) {
          (*call)();
        }
      };
      if (part->shard) {
        part->shard->spawn(one(*part->shard, saturating_add(part->host.loop->now(), grace), left, finish));
      } else if (left->fetch_sub(1) == 1) {
        (*finish)();
      }
    });
  }
}

void QueueRunner::stop() {
  std::map<std::string, PartPtr, std::less<>> all;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) {
      return;
    }
    all = std::exchange(parts_, {});
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    run_on(*hosts_[i].loop, [this, i] { ending_[i].reset(); });
  }
  for (const auto& [name, part] : all) {
    run_on(*part->host.loop, [&part] { part->shard.reset(); });
  }
}

void QueueRunner::run_on(net::Loop& loop, std::move_only_function<void()> function) {
  if (net::Loop::current() == &loop) {
    function();
    return;
  }
  std::promise<void> done;
  loop.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

QueueRunner::PartPtr QueueRunner::part_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = parts_.find(name);
  return found == parts_.end() ? nullptr : found->second;
}

bool QueueRunner::keeps_order(const std::string& queue) {
  const PartPtr part = part_of(queue);
  return part != nullptr && part->board.keeps_order();
}

bool QueueRunner::is_waiting(const std::string& queue, const std::string& key) {
  const PartPtr part = part_of(queue);
  return part != nullptr && part->board.waits(key);
}

void QueueRunner::passed_by(const std::string& queue, call::PassedBy why) {
  if (const PartPtr part = part_of(queue)) {
    part->passed_by[static_cast<std::size_t>(why)].fetch_add(1, std::memory_order_relaxed);
  }
}

net::Task<call::Taken> QueueRunner::take(call::DeferredCall deferred) {
  const PartPtr part = part_of(deferred.queue.name);
  if (part == nullptr) {
    co_return call::Taken{.id = {}, .status_url = {}, .detail = "the queue has stopped", .maybe_kept = false};
  }
  co_return journal_.ownership().lease(part->home) ? co_await take_here(part, std::move(deferred))
                                                   : co_await take_elsewhere(part, std::move(deferred));
}

net::Task<call::Taken> QueueRunner::take_here(PartPtr part, call::DeferredCall deferred) {
  using Give = Answering<call::Taken>;
  call::Taken ended{.id = {}, .status_url = {}, .detail = "the queue has stopped", .maybe_kept = true};
  journal::Reply<call::Taken> reply;
  part->host.loop->post([this, part, call = std::move(deferred),
                         to = Give(reply.send(), std::move(ended))]() mutable {
    if (!part->shard && !part->leaving && !part->gone && is_shared()) {
      look(part);  // its lease has just come
    }
    if (!part->shard) {
      to.give({.id = {}, .status_url = {}, .detail = "the queue does not run here now", .maybe_kept = false});
    } else {
      part->shard->spawn([](QueueShard& shard, call::DeferredCall what, Give give) -> net::Task<> {
        give.give(co_await shard.take(std::move(what)));
      }(*part->shard, std::move(call), std::move(to)));
    }
  });
  co_return co_await reply;
}

net::Task<QueueReport> QueueRunner::report(PartPtr part) {
  if (!journal_.ownership().lease(part->home)) {
    co_return co_await report_elsewhere(std::move(part));
  }
  using Give = Answering<QueueReport>;
  journal::Reply<QueueReport> reply;
  part->host.loop->post(
      [part,
       to = Give(reply.send(), QueueReport{.queue = part->queue, .failure = {}, .view = {}})]() mutable {
        QueueReport seen{.queue = part->queue, .failure = {}, .view = {}};
        if (part->shard) {
          seen.view = part->shard->view();
          seen.failure = part->shard->failure();
          seen.state = !seen.failure.empty() ? "failed" : part->shard->loaded() ? "running" : "starting";
        }
        to.give(std::move(seen));
      });
  co_return co_await reply;
}

net::Task<std::vector<QueueReport>> QueueRunner::list() {
  std::vector<PartPtr> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, part] : parts_) {
      all.push_back(part);
    }
  }
  std::vector<QueueReport> reports;
  for (PartPtr& part : all) {
    reports.push_back(co_await report(std::move(part)));
  }
  co_return reports;
}

net::Task<Asked<QueueReport>> QueueRunner::show(std::string name) {
  auto part = part_of(name);
  if (part == nullptr) {
    co_return unknown(name);
  }
  co_return co_await report(std::move(part));
}

net::Task<Asked<QueueItems>> QueueRunner::items(std::string name, std::optional<QueueState> state,
                                                journal::StreamId after, std::size_t limit) {
  if (part_of(name) == nullptr) {
    co_return unknown(name);
  }
  const auto rows = co_await journal_.list(
      journal::SummaryQuery{.record_class = journal::RecordClass::queue,
                            .name = std::move(name),
                            .state = state ? std::string(to_string(*state)) : std::string(),
                            .shard = {},
                            .newest_first = false,
                            .after = after,
                            .limit = limit,
                            .changed_before = {},
                            .search = {}});
  if (!rows) {
    co_return unavailable(rows.error());
  }
  QueueItems out;
  for (const journal::Summary& row : *rows) {
    auto item = read_attributes(row.attributes, row.stream, row.state);
    if (!item) {
      co_return unavailable(item.error());
    }
    out.items.push_back(*std::move(item));
  }
  if (rows->size() == limit) {
    out.next = rows->back().stream;
  }
  co_return out;
}

net::Task<Asked<QueueItem>> QueueRunner::find(std::string name, Ulid id) {
  if (part_of(name) == nullptr) {
    co_return unknown(name);
  }
  const auto holder = co_await journal_.find(std::string(kQueueIds), id.text());
  if (!holder) {
    co_return unavailable(holder.error());
  }
  const auto row = *holder ? co_await journal_.summary((*holder)->stream)
                           : Result<std::optional<journal::Summary>>(std::nullopt);
  if (!row) {
    co_return unavailable(row.error());
  }
  if (!*row || (*row)->name != name) {
    co_return refuse(Reason::not_found,
                     fmt::format("queue '{}' has no call {}, or it was forgotten", name, id.text()));
  }
  auto item = read_attributes((*row)->attributes, (*row)->stream, (*row)->state);
  if (!item) {
    co_return unavailable(item.error());
  }
  co_return *std::move(item);
}

net::Task<Asked<QueueItemStory>> QueueRunner::item(std::string name, Ulid id) {
  auto found = co_await find(std::move(name), id);
  if (!found) {
    co_return std::unexpected(std::move(found.error()));
  }
  auto page = co_await journal_.read(
      journal::StreamQuery{.record_class = journal::RecordClass::queue,
                           .stream = found->stream,
                           .limits = {.records = 500, .bytes = journal::kMaxPageBytes}});
  if (!page) {
    co_return unavailable(page.error());
  }
  co_return QueueItemStory{.item = *std::move(found), .records = std::move(page->records)};
}

net::Task<Asked<QueueItem>> QueueRunner::operate(std::string name, Ulid id, QueueVerb verb,
                                                 std::string who_why) {
  auto found = co_await find(name, id);
  if (!found) {
    co_return std::unexpected(std::move(found.error()));
  }
  const PartPtr part = part_of(name);
  if (part == nullptr) {
    co_return unknown(name);
  }
  const auto done = journal_.ownership().lease(part->home)
                        ? co_await operate_here(part, *std::move(found), verb, who_why)
                        : co_await operate_elsewhere(part, id, verb, who_why);
  if (!done) {
    co_return std::unexpected(done.error());
  }
  log::info("queue {}: {} of {} asked for by {}", name, verb == QueueVerb::retry ? "retry" : "removal",
            id.text(), who_why.empty() ? "an operator" : who_why);
  co_return co_await find(std::move(name), id);
}

net::Task<Asked<std::monostate>> QueueRunner::operate_here(PartPtr part, QueueItem item, QueueVerb verb,
                                                           std::string who_why) {
  using Give = Answering<Asked<std::monostate>>;
  const Asked<std::monostate> ended = refuse(Reason::store_unavailable, "the queue has stopped: ask again");
  journal::Reply<Asked<std::monostate>> reply;
  part->host.loop->post(
      [part, verb, item = std::move(item), who_why, to = Give(reply.send(), ended)]() mutable {
        if (part->shard) {
          part->shard->spawn([](QueueShard& shard, QueueVerb what, QueueItem which, std::string who,
                                Give give) -> net::Task<> {
            give.give(co_await shard.operate(what, std::move(which), std::move(who)));
          }(*part->shard, verb, std::move(item), std::move(who_why), std::move(to)));
        }
      });
  co_return co_await reply;
}

net::Task<Result<std::size_t>> QueueRunner::forget(WallTime now) {
  std::vector<QueuePtr> queues;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, part] : parts_) {
      queues.push_back(part->queue);
    }
  }
  std::size_t gone = 0;
  for (const QueuePtr& queue : queues) {
    for (const QueueState state : {QueueState::done, QueueState::removed}) {
      const std::int64_t before = now.ns_since_epoch / 1'000'000 - to_millis(queue->fallback.keep);
      const auto rows =
          co_await journal_.list(journal::SummaryQuery{.record_class = journal::RecordClass::queue,
                                                       .name = queue->name(),
                                                       .state = std::string(to_string(state)),
                                                       .shard = {},
                                                       .newest_first = false,
                                                       .after = {},
                                                       .limit = kForgottenAtOnce,
                                                       .changed_before = journal::UtcMillis(before),
                                                       .search = {}});
      if (!rows) {
        co_return std::unexpected(rows.error());
      }
      if (before <= 0 || rows->empty()) {
        continue;
      }
      std::vector<journal::StreamId> streams;
      std::ranges::transform(*rows, std::back_inserter(streams), &journal::Summary::stream);
      gone += streams.size();
      journal::Reply<Result<std::int64_t>> reply;
      journal_.forget_streams(journal::RecordClass::queue, std::move(streams), reply.send());
      if (const auto done = co_await reply; !done) {
        co_return std::unexpected(done.error());
      }
    }
  }
  forgotten_ += gone;
  co_return gone;
}

}  // namespace flotilla::events
