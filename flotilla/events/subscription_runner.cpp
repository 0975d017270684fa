#include "flotilla/events/subscription_runner.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/events/core/read_token.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

// What a part that leaves may take to end what it has under way.
constexpr Duration kLetGo = std::chrono::seconds(5);

struct PartView {
  bool here = false;
  bool loaded = false;
  SubscriptionProgress progress;
  SubscriptionView view;
  std::string failure;
};

std::unexpected<Refusal> unknown(const std::string& name) {
  return refuse(Reason::not_found, fmt::format("there is no subscription '{}'", name.substr(0, 64)));
}

}  // namespace

SubscriptionRunner::~SubscriptionRunner() { stop(); }

void SubscriptionRunner::start(const std::vector<SubscriptionPtr>& subscriptions,
                               std::vector<DeliveryHost> hosts) {
  for (DeliveryHost& host : hosts) {
    tenders_.push_back(
        std::make_unique<Tender>(Tender{.host = std::move(host), .parts = {}, .tasks = nullptr}));
  }
  for (const auto& tender : tenders_) {
    run_on(*tender->host.loop, [tender = tender.get(), this] {
      tender->tasks = std::make_unique<net::Scope>();
      tender->tasks->spawn(tend(*tender));
    });
  }
  for (const SubscriptionPtr& each : subscriptions) {
    add(each);
  }
}

void SubscriptionRunner::add(const SubscriptionPtr& subscription) {
  // Always the same one for a name, so that one of them sees what ends and what begins.
  Tender& tender = *tenders_[std::hash<std::string>{}(subscription->policy.name) % tenders_.size()];
  std::vector<PartPtr> parts;
  const auto start = ReadToken::parse(subscription->start, journal_.shards());
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    auto part = std::make_shared<Part>();
    part->subscription = subscription;
    part->place = {.shard = shard, .shards = journal_.shards()};
    part->host = tender.host;
    part->seed = seed_ + ++seeds_;
    // Where a new one begins: what is published from now on, or since it was declared, is its.
    part->from = subscription->from_start ? journal::Position(0, shard)
                 : start                  ? start->at(shard)
                                          : journal_.position(shard);
    parts.push_back(std::move(part));
  }
  {
    const std::lock_guard lock(mutex_);
    parts_.insert_or_assign(subscription->policy.name, parts);
  }
  run_on(*tender.host.loop, [this, &tender, &parts] {
    std::ranges::copy(parts, std::back_inserter(tender.parts));
    look(tender);
  });
}

void SubscriptionRunner::replace(const std::vector<SubscriptionPtr>& subscriptions) {
  std::vector<SubscriptionPtr> fresh;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::vector<PartPtr>, std::less<>> kept;
    for (const SubscriptionPtr& each : subscriptions) {
      const auto found = parts_.find(each->policy.name);
      if (found != parts_.end() && found->second.front()->subscription->written == each->written) {
        kept.insert(parts_.extract(found));
      } else {
        fresh.push_back(each);
      }
    }
    for (const auto& [name, parts] : parts_) {
      for (const PartPtr& part : parts) {
        part->gone = true;  // its tender lets go of it
      }
    }
    parts_ = std::move(kept);
  }
  for (const auto& tender : tenders_) {  // at once: what ends sends nothing new from here on
    run_on(*tender->host.loop, [this, &tender] { look(*tender); });
  }
  for (const SubscriptionPtr& each : fresh) {
    add(each);
  }
}

net::Task<> SubscriptionRunner::tend(Tender& tender) {
  for (;;) {
    look(tender);
    co_await net::sleep_for(*tender.host.loop, kLook);
  }
}

void SubscriptionRunner::look(Tender& tender) {
  std::erase_if(tender.parts,
                [](const PartPtr& part) { return part->gone && !part->shard && !part->leaving; });
  for (const PartPtr& part : tender.parts) {
    if (part->leaving) {
      continue;
    }
    const auto lease = journal_.ownership().lease(part->place.shard);
    const bool ours = lease && !part->gone && !tender.draining;
    if (part->shard && (!ours || lease->epoch != part->epoch)) {
      part->leaving = true;
      tender.tasks->spawn(let_go(part, ours ? Duration::zero() : kLetGo));
      continue;
    }
    // The one before of the same name may still end its attempts.
    const bool waits = std::ranges::any_of(tender.parts, [&](const PartPtr& other) {
      return other != part && (other->shard || other->leaving) && other->place.shard == part->place.shard &&
             other->subscription->policy.name == part->subscription->policy.name;
    });
    if (!part->shard && ours && !waits && may_begin(*part, lease->epoch)) {
      part->epoch = lease->epoch;
      part->shard = std::make_unique<SubscriptionShard>(
          part->subscription, journal_, topics_, part->counters, part->gauges, part->host,
          SubscriptionShard::Seat{
              .place = part->place, .epoch = lease->epoch, .seed = part->seed, .from = part->from});
      note_shard(part->subscription->policy.name, 1);
      part->shard->start();
    }
  }
}

bool SubscriptionRunner::may_begin(Part& part, std::uint64_t epoch) const {
  if (!part.subscription->declared || journal_.shards() == 1) {
    return true;
  }
  if (part.seen_epoch != epoch) {
    part.seen_epoch = epoch;
    part.seen_at = net::monotonic_now();  // not the loop's, which may be of before the lease
  }
  return declarations_known_ >= part.seen_at.time_since_epoch().count();
}

net::Task<> SubscriptionRunner::let_go(PartPtr part, Duration grace) {
  co_await part->shard->drain(saturating_add(part->host.loop->now(), grace));
  part->shard.reset();
  part->leaving = false;
  note_shard(part->subscription->policy.name, -1);
}

void SubscriptionRunner::note_shard(const std::string& name, int more) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.try_emplace(name, 0).first;
  running->second += more;
  if (running->second == 0) {
    running_.erase(running);
  }
}

bool SubscriptionRunner::is_running(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return running_.contains(name) || parts_.contains(name);
}

void SubscriptionRunner::drain(Duration grace, std::function<void()> done) {
  if (tenders_.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::atomic<std::size_t>>(tenders_.size());
  const auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const auto& each : tenders_) {
    each->host.loop->post([tender = each.get(), grace, left, finish] {
      tender->draining = true;
      const auto all = [](Tender& of, Duration patience, auto last, auto call) -> net::Task<> {
        const Instant deadline = saturating_add(of.host.loop->now(), patience);
        for (const PartPtr& part : std::vector<PartPtr>(of.parts)) {
          if (part->shard) {
            co_await part->shard->drain(deadline);
          }
        }
        if (last->fetch_sub(1) == 1) {
          (*call)();
        }
      };
      if (tender->tasks) {
        tender->tasks->spawn(all(*tender, grace, left, finish));
      } else if (left->fetch_sub(1) == 1) {
        (*finish)();
      }
    });
  }
}

void SubscriptionRunner::stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  for (const auto& tender : tenders_) {
    run_on(*tender->host.loop, [&tender] {
      tender->tasks.reset();
      for (const PartPtr& part : tender->parts) {
        part->shard.reset();
      }
      tender->parts.clear();
    });
  }
}

void SubscriptionRunner::run_on(net::Loop& loop, std::move_only_function<void()> function) {
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

std::vector<SubscriptionRunner::PartPtr> SubscriptionRunner::parts_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = parts_.find(name);
  return found == parts_.end() ? std::vector<PartPtr>() : found->second;
}

net::Task<SubscriptionReport> SubscriptionRunner::report(std::vector<PartPtr> parts) {
  SubscriptionReport out{.subscription = parts.front()->subscription};
  ReadToken token(journal_.shards());
  bool here = false;
  bool starting = false;
  for (const PartPtr& part : parts) {
    journal::Reply<PartView> reply;
    part->host.loop->post([part, done = reply.send()]() mutable {
      PartView seen{.here = part->shard != nullptr};
      if (part->shard) {
        seen.view = part->shard->view();
        seen.progress = *seen.view.progress;
        seen.loaded = part->shard->loaded();
        seen.failure = part->shard->failure();
      }
      done(std::move(seen));
    });
    const PartView seen = co_await reply;
    if (!seen.here) {
      continue;
    }
    here = true;
    starting = starting || (!seen.loaded && seen.failure.empty());
    token.move_to(journal::Position(seen.progress.mark, part->place.shard));
    out.unsettled += seen.view.unsettled;
    out.in_flight += seen.view.in_flight;
    out.unacknowledged += seen.view.unacknowledged;
    out.retrying += seen.view.retrying;
    out.redriving += seen.view.redriving;
    out.at_bound = out.at_bound || seen.view.at_bound;
    out.held_back = out.held_back || seen.view.held_back;
    std::ranges::copy(seen.progress.held_keys, std::back_inserter(out.held_keys));
    if (seen.progress.pause.reason != PauseReason::none) {
      out.pause = seen.progress.pause;
    }
    out.failure = seen.failure.empty() ? out.failure : seen.failure;
    const std::int64_t oldest = part->gauges.oldest_ms;
    out.oldest_ms = oldest == 0          ? out.oldest_ms
                    : out.oldest_ms == 0 ? oldest
                                         : std::min(out.oldest_ms, oldest);
  }
  out.position = token.text();
  out.state = !here                                   ? "elsewhere"
              : !out.failure.empty()                  ? "failed"
              : starting                              ? "starting"
              : out.pause.reason != PauseReason::none ? "paused"
                                                      : "running";
  co_return out;
}

net::Task<std::vector<SubscriptionReport>> SubscriptionRunner::list() {
  std::vector<std::vector<PartPtr>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, parts] : parts_) {
      all.push_back(parts);
    }
  }
  std::vector<SubscriptionReport> reports;
  for (std::vector<PartPtr>& parts : all) {
    reports.push_back(co_await report(std::move(parts)));
  }
  co_return reports;
}

net::Task<Asked<SubscriptionReport>> SubscriptionRunner::show(std::string name) {
  auto parts = parts_of(name);
  if (parts.empty()) {
    co_return unknown(name);
  }
  co_return co_await report(std::move(parts));
}

// Nothing: it is not here, or ended before it could answer.
net::Task<std::optional<effect::Reply>> SubscriptionRunner::ask(PartPtr part, SubscriptionInput input) {
  // Gives "nothing" when whatever holds it goes before it was called.
  class Answering {
   public:
    explicit Answering(journal::Done<std::optional<effect::Reply>> done) : done_(std::move(done)) {}
    Answering(Answering&&) noexcept = default;
    Answering& operator=(Answering&&) = delete;
    ~Answering() {
      if (done_) {
        done_(std::nullopt);
      }
    }
    void give(effect::Reply reply) { std::exchange(done_, nullptr)(std::move(reply)); }

   private:
    journal::Done<std::optional<effect::Reply>> done_;
  };
  journal::Reply<std::optional<effect::Reply>> reply;
  part->host.loop->post([part, input = std::move(input), answering = Answering(reply.send())]() mutable {
    if (part->shard) {
      part->shard->spawn([](SubscriptionShard& shard, SubscriptionInput in, Answering to) -> net::Task<> {
        to.give(co_await shard.ask(std::move(in)));
      }(*part->shard, std::move(input), std::move(answering)));
    }
  });
  co_return co_await reply;
}

net::Task<Asked<SubscriptionReport>> SubscriptionRunner::operate(std::string name, input::Operate asked,
                                                                 ReplayRange range) {
  const auto parts = parts_of(name);
  if (parts.empty()) {
    co_return unknown(name);
  }
  const bool replays = asked.verb == SubscriptionVerb::replay;
  const auto from = ReadToken::parse(replays ? range.from : "0", journal_.shards());
  const auto to = ReadToken::parse(replays && !range.to.empty() ? range.to : "0", journal_.shards());
  if (!from || !to) {
    co_return refuse(Reason::invalid, (!from ? from : to).error().message);
  }
  const bool bounded = replays && !range.to.empty();
  const auto is_empty = [&](const PartPtr& part) {
    return bounded && to->at(part->place.shard).number() <= from->at(part->place.shard).number();
  };
  if (std::ranges::all_of(parts, is_empty)) {
    co_return refuse(Reason::invalid, "there is nothing in the range: 'to' lies behind 'from' in no shard");
  }
  std::size_t done = 0;
  std::size_t here = 0;
  std::string detail;
  for (const PartPtr& part : parts) {
    if (is_empty(part)) {
      continue;
    }
    asked.from = from->at(part->place.shard).number();
    asked.to = bounded ? to->at(part->place.shard).number() : 0;
    const auto reply = co_await ask(part, asked);
    if (!reply) {
      continue;
    }
    ++here;
    done += reply->what == effect::Reply::What::done ? 1 : 0;
    if (reply->what == effect::Reply::What::failed) {
      co_return refuse(Reason::store_unavailable, reply->detail);
    }
    if (reply->what == effect::Reply::What::refused) {
      co_return refuse(Reason::conflict, reply->detail);
    }
    detail = reply->detail.empty() ? detail : reply->detail;
  }
  if (here == 0) {
    co_return refuse(Reason::store_unavailable, "no shard of the journal that has it is here: ask again");
  }
  if (done == 0) {
    co_return refuse(Reason::not_found, detail);
  }
  log::info("subscription {}: {} asked for by {}", name, to_string(asked.verb),
            asked.who_why.empty() ? "an operator" : asked.who_why);
  co_return co_await report(parts);
}

void SubscriptionRunner::redrive(const std::string& name, std::uint32_t shard) {
  const auto parts = parts_of(name);
  if (shard >= parts.size()) {
    return;  // the file names it no more: it looks when it is named again
  }
  parts[shard]->host.loop->post([part = parts[shard]] {
    if (part->shard) {
      part->shard->redrive();
    }
  });
}

net::Task<Asked<std::monostate>> SubscriptionRunner::acknowledge(std::string name, std::string token,
                                                                 EventOutcome outcome, std::string body) {
  const auto parts = parts_of(name);
  if (parts.empty()) {
    co_return unknown(name);
  }
  const auto parsed = parse_delivery_token(token);
  if (!parsed || parsed->shard >= parts.size()) {
    co_return refuse(Reason::not_found, "that is no token of a delivery");
  }
  const auto reply = co_await ask(
      parts[parsed->shard], input::Ack{.token = parsed->token, .outcome = outcome, .body = std::move(body)});
  if (!reply) {
    co_return refuse(Reason::store_unavailable,
                     "the shard of the journal that has it is not here: ask again");
  }
  switch (reply->what) {
    case effect::Reply::What::done:
      co_return std::monostate{};
    case effect::Reply::What::unknown:
      co_return refuse(Reason::not_found, reply->detail);
    case effect::Reply::What::refused:
      co_return refuse(Reason::conflict, reply->detail);
    case effect::Reply::What::failed:
      break;
  }
  co_return refuse(Reason::store_unavailable, reply->detail);
}

}  // namespace flotilla::events
