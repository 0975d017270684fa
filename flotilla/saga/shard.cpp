#include "flotilla/saga/shard.hpp"

#include <algorithm>
#include <utility>

#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/report.hpp"
#include "flotilla/saga/shard_waiting.hpp"

namespace flotilla::saga {
namespace {

constexpr Duration kReloadPause = std::chrono::seconds(1);
// Sagas that are read at once while recovering.
constexpr std::uint32_t kRecoveringLoads = 16;

// While the lease is looked at until it outlasts an attempt.
constexpr Duration kLeasePause = std::chrono::milliseconds(50);
// What a lease has left at least when it is renewed in time: an attempt that may take longer is sent then,
// and cut when the lease is not renewed.
constexpr Duration kLeaseLeft = journal::kLeaseTime - journal::kLeaseRenewal - journal::kLeaseRetry;

EngineConfig engine_config(const ShardCommons& commons, const ShardSeat& seat) {
  return {.keys = commons.keys,
          .epoch = seat.epoch,
          .seed = commons.seed + seat.index + (seat.epoch << 32),  // another one each time it is taken up
          .shard = seat.index,
          .shards = commons.shards};
}

SagaId addressee(const ChildReport& message) { return message.parent.saga; }
SagaId addressee(const AskParent& message) { return message.parent.saga; }
SagaId addressee(const auto& message) { return message.child; }

}  // namespace

Shard::Kept::Kept(Shard& of, SagaId id)
    : shard(of),
      saga(id),
      wake(
          [](void* self) {
            auto& kept = *static_cast<Kept*>(self);
            kept.shard.feed(input::Timer{.saga = kept.saga});
          },
          this) {}

Shard::Shard(ShardCommons& commons, ShardHost host, ShardSeat seat)
    : commons_(commons),
      host_(std::move(host)),
      seat_(seat),
      engine_(engine_config(commons, seat), commons.shelf) {
  (void)lease_outlasts(Duration::zero());
}

Shard::~Shard() {
  tasks_.cancel_all();
  while (!kept_.empty()) {
    forget(kept_.begin()->first, nullptr);  // what counts what lives goes on
  }
}

// Effects may lead to further inputs at once; those wait until the effects before them were carried out.
void Shard::feed(Input input) {
  inputs_.push_back(std::move(input));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!inputs_.empty()) {
    Input next = std::move(inputs_.front());
    inputs_.pop_front();
    Effects effects = engine_.step(std::move(next), {.mono = host_.loop->now(), .wall = net::wall_now()});
    for (Effect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }
  feeding_ = false;
}

void Shard::deliver(SagaId saga, Input input) {
  if (engine_.life(saga) != nullptr) {
    feed(std::move(input));
    return;
  }
  const auto [found, first] = arriving_.try_emplace(saga);
  found->second.inputs.push_back(std::move(input));
  if (first) {
    tasks_.spawn(fetch(saga, Duration::zero()));
  } else if (found->second.inputs.size() > kMaxInbox) {
    refuse_arrivals(found->second, {.code = Errc::limit, .message = "too many requests wait for this saga"});
  }
}

net::Task<> Shard::recover(std::vector<SagaId> sagas) {
  for (const SagaId saga : sagas) {
    while (recovering_loads_ >= kRecoveringLoads) {
      co_await idle_.wait();
    }
    if (draining_ || stopped_) {
      co_return;
    }
    if (engine_.life(saga) != nullptr || arriving_.contains(saga)) {
      continue;  // somebody asked for it
    }
    paced_.insert(saga);
    arriving_[saga].required = true;
    ++recovering_loads_;
    tasks_.spawn([](Shard& shard, SagaId id) -> net::Task<> {
      co_await shard.fetch(id, Duration::zero());
      --shard.recovering_loads_;
      shard.idle_.set();
    }(*this, saga));
  }
}

Shard::Kept& Shard::keep(SagaId saga) {
  auto& kept = kept_[saga];
  if (!kept) {
    kept = std::make_unique<Kept>(*this, saga);
  }
  return *kept;
}

SagaCounters& Shard::counters_of(SagaId saga) {
  if (const auto kept = kept_.find(saga); kept != kept_.end() && kept->second->counters != nullptr) {
    return *kept->second->counters;
  }
  const SagaState* const state = engine_.state(saga);
  const std::string name = state == nullptr ? std::string() : state->definition->name;
  SagaCounters*& counters = counters_[name];
  if (counters == nullptr) {
    counters = &commons_.metrics.of(name, seat_.index);
  }
  return *counters;
}

void Shard::carry_out(effect::Append& append) {
  ++appending_;
  tasks_.spawn(this->append(std::move(append)));
}

void Shard::carry_out(effect::Send& send) {
  if (draining_ || stopped_) {
    return;  // as if we had crashed here: whoever comes next sends it
  }
  tasks_.spawn(this->send(std::move(send)));
}

net::Task<> Shard::send(effect::Send send) {
  if (const Instant at = pace(send); at > host_.loop->now()) {
    co_await net::sleep_until(*host_.loop, at);
    if (draining_ || stopped_) {
      co_return;
    }
  }
  if (!lease_outlasts(send.timeout) && !co_await await_lease(send.timeout)) {
    co_return;  // whoever has the shard then sends it
  }
  counters_of(send.saga).sent[static_cast<std::size_t>(send.op)].add();
  ++sending_;
  input::Answer answer =
      co_await host_.carrier->carry(send, commons_.callback_base, [this, &send] { return is_wanted(send); });
  --sending_;
  idle_.set();
  if (answer.held_back) {
    counters_of(send.saga).held_back.add();
  }
  feed(std::move(answer));
}

bool Shard::lease_outlasts(Duration timeout) {
  const auto lease = commons_.store.journal().ownership().lease(seat_.place.shard);
  if (!lease || lease->epoch != seat_.epoch) {
    return false;
  }
  leased_until_ = lease->until;
  // Not by the loop's clock, which stands while the process is stopped.
  return lease->until - net::monotonic_now() > std::min(timeout, kLeaseLeft);
}

net::Task<bool> Shard::await_lease(Duration timeout) {
  while (!lease_outlasts(timeout)) {
    const auto lease = commons_.store.journal().ownership().lease(seat_.place.shard);
    if (!lease || lease->epoch != seat_.epoch || draining_ || stopped_) {
      co_return false;
    }
    co_await net::sleep_for(*host_.loop, kLeasePause);
  }
  co_return !draining_ && !stopped_;
}

// Whether it may still be sent after a wait: a callback may have told how it ended, or the saga have aborted,
// and then no action may follow; and the process may have been stopped until the lease was over.
bool Shard::is_wanted(const effect::Send& send) const {
  const Life* const life = engine_.life(send.saga);
  const auto lease = commons_.store.journal().ownership().lease(seat_.place.shard);
  return lease && lease->epoch == seat_.epoch && life != nullptr &&
         (send.op != Op::action || life->state.phase != Phase::compensating) &&
         std::ranges::find(life->runs, send.token, &Run::token) != life->runs.end();
}

// When this may be sent: at once, but for the first request of a saga that a process before left.
Instant Shard::pace(const effect::Send& send) {
  const Instant now = host_.loop->now();
  if (paced_.empty() || paced_.erase(send.saga) == 0) {
    return now;
  }
  Instant& next = next_paced_[send.request->service];
  const Instant at = std::max(now, next);
  next = at + commons_.recovery_gap;
  return at;
}

void Shard::carry_out(const effect::Wake& wake) {
  const auto found = kept_.find(wake.saga);
  if (wake.at == kNever) {
    if (found != kept_.end()) {
      found->second->wake.disarm();
    }
    return;
  }
  host_.loop->arm(keep(wake.saga).wake, wake.at);
}

void Shard::carry_out(effect::Reply& reply) {
  if (const auto found = asking_.find(reply.waiter); found != asking_.end()) {
    found->second->answer(std::move(reply));
  }
}

void Shard::carry_out(const effect::Alert& alert) {
  counters_of(alert.saga).alerts[static_cast<std::size_t>(alert.kind)].add();
  const SagaState* const state = engine_.state(alert.saga);
  log::warning("saga {} ({}): {}: {}", alert.saga.text(), state == nullptr ? "?" : state->definition->name,
               to_string(alert.kind), alert.detail);
}

void Shard::carry_out(const effect::Changed& changed) {
  Kept& kept = keep(changed.saga);
  if (engine_.state(changed.saga) != nullptr) {
    kept.counters = &counters_of(changed.saga);
  }
  if (kept.counters != nullptr && !kept.live && !is_terminal(changed.phase)) {
    kept.live = true;
    kept.counters->live.add();
  }
  if (kept.counters != nullptr && kept.suspended != changed.suspended) {
    kept.suspended = changed.suspended;
    changed.suspended ? kept.counters->suspended.add() : kept.counters->suspended.sub();
  }
  const auto [first, last] = end_waits_.equal_range(changed.saga);
  for (auto wait = first; wait != last; ++wait) {
    wait->second->changed.set();
  }
}

void Shard::carry_out(effect::Tell& tell) {
  std::visit(
      [this](auto& message) {
        using Message = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<Message, StartChild>) {
          tasks_.spawn(start_child(std::move(message)));
        } else {
          const SagaId to = addressee(message);
          if constexpr (requires { message.key; }) {
            if (to.is_none()) {
              const Parent parent = message.parent;
              std::string key = message.key;
              tasks_.spawn(find_child(std::move(message), parent, std::move(key)));
              return;
            }
          }
          commons_.route(to, std::move(message));
        }
      },
      tell.message);
}

// The child comes to be in this shard: the claim of its key sees to it that there is one.
net::Task<> Shard::start_child(StartChild child) {
  if (draining_ || stopped_) {
    co_return;
  }
  if (auto fetched = co_await commons_.store.fetch_definition(child.definition); !fetched) {
    log::error("a nested saga cannot start: {}", fetched.error().message);
    co_return;  // its parent asks again
  }
  feed(input::Submit{.definition = commons_.shelf.find(child.definition),
                     .input = std::move(child.input),
                     .key = std::move(child.key),
                     .parent = child.parent,
                     .trace = std::move(child.trace),
                     .correlation = std::move(child.correlation)});
}

net::Task<> Shard::find_child(Input message, Parent parent, std::string key) {
  const auto holder = co_await commons_.store.journal().find(key_scope({}, key), key);
  if (!holder) {
    co_return;  // the parent asks again
  }
  if (!*holder) {
    commons_.route(parent.saga, ChildReport{.parent = parent, .phase = Phase::rejected});
    co_return;
  }
  const auto child = co_await commons_.store.id_of((*holder)->stream);
  if (!child) {
    co_return;
  }
  if (auto* undo = std::get_if<UndoChild>(&message)) {
    undo->child = *child;
  } else if (auto* release = std::get_if<ReleaseChild>(&message)) {
    release->child = *child;
  }
  commons_.route(*child, std::move(message));
}

void Shard::carry_out(const effect::Reload& reload) {
  if (arriving_.contains(reload.saga)) {
    arriving_[reload.saga].required = true;
    return;
  }
  arriving_[reload.saga].required = true;
  tasks_.spawn(fetch(reload.saga, kReloadPause));
}

void Shard::carry_out(const effect::Ended& ended) {
  const auto [first, last] = end_waits_.equal_range(ended.saga);
  for (auto wait = first; wait != last; ++wait) {
    wait->second->last = ended.last;
    wait->second->changed.set();
  }
  forget(ended.saga, ended.last.get());
}

void Shard::forget(SagaId saga, const SagaState* last) {
  paced_.erase(saga);
  const auto found = kept_.find(saga);
  if (found == kept_.end()) {
    return;
  }
  Kept& kept = *found->second;
  if (kept.live) {
    kept.counters->live.sub();
    if (kept.suspended) {
      kept.counters->suspended.sub();
    }
    if (last != nullptr && is_terminal(last->phase)) {
      const auto end = static_cast<std::size_t>(last->phase) - static_cast<std::size_t>(Phase::completed);
      kept.counters->ended[end].add();
      kept.counters->duration.record(Millis(last->changed - last->created));
    }
  }
  kept_.erase(found);
}

void Shard::carry_out(const effect::Stop& /*stop*/) {
  stopped_ = true;
  if (seat_.place.shards == 1) {
    log::error("sagas stop: another process has taken the journal over");
  } else {
    log::warning("sagas of shard {} stop here: another process has taken it over", seat_.place.shard);
  }
}

net::Task<> Shard::drain(Instant deadline) {
  draining_ = true;
  for (const auto& [saga, wait] : end_waits_) {
    wait->changed.set();
  }
  while (sending_ + appending_ > 0 && host_.loop->now() < deadline) {
    (void)co_await idle_.wait(deadline);
  }
}

}  // namespace flotilla::saga
