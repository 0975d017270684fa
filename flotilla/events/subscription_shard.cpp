#include "flotilla/events/subscription_shard.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

// What a lease has left at least when it is renewed in time: an attempt that may take longer is sent then.
constexpr Duration kLeaseLeft = journal::kLeaseTime - journal::kLeaseRenewal - journal::kLeaseRetry;

Now clocks(const net::Loop& loop) { return {.mono = loop.now(), .wall = net::wall_now()}; }

// Behind every token that was given out before, by whatever process: fewer than one in a nanosecond are.
std::uint64_t first_token() { return static_cast<std::uint64_t>(net::wall_now().ns_since_epoch); }

bool surely_not_kept(const journal::AppendError& error) {
  const auto* const store = std::get_if<journal::StoreUnavailable>(&error);
  return std::holds_alternative<journal::Overloaded>(error) ||
         (store != nullptr && store->effect == Effect::none);
}

}  // namespace

struct SubscriptionShard::Asking {
  effect::Reply reply;
  bool answered = false;
  net::Event changed;
};

SubscriptionShard::SubscriptionShard(SubscriptionPtr subscription, journal::Journal& journal,
                                     KnownTopics& topics, SubscriptionCounters& counters,
                                     SubscriptionGauges& gauges, DeliveryHost host, const Seat& seat)
    : subscription_(std::move(subscription)),
      journal_(journal),
      topics_(topics),
      gauges_(gauges),
      host_(std::move(host)),
      seat_(seat),
      engine_(subscription_->policy,
              {.shard = seat.place.shard, .seed = seat.seed, .first_token = first_token()}, counters),
      wake_([](void* self) { static_cast<SubscriptionShard*>(self)->feed(input::Timer{}); }, this) {}

SubscriptionShard::~SubscriptionShard() { tasks_.cancel_all(); }

void SubscriptionShard::start() { tasks_.spawn(load(Duration::zero())); }

// Effects may lead to further inputs at once; those wait until the effects before them were carried out.
void SubscriptionShard::feed(SubscriptionInput input) {
  inputs_.push_back(std::move(input));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!inputs_.empty()) {
    SubscriptionInput next = std::move(inputs_.front());
    inputs_.pop_front();
    SubscriptionEffects effects = engine_.step(std::move(next), clocks(*host_.loop));
    for (SubscriptionEffect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }
  feeding_ = false;
  note();
}

void SubscriptionShard::note() {
  const SubscriptionView now = engine_.view();
  gauges_.unsettled = now.unsettled;
  gauges_.in_flight = now.in_flight;
  gauges_.unacknowledged = now.unacknowledged;
  gauges_.held_keys = now.progress->held_keys.size();
  gauges_.paused = now.progress->pause.reason != PauseReason::none;
  recorded_.erase(recorded_.begin(),
                  recorded_.lower_bound(now.first_unsettled == 0 ? UINT64_MAX : now.first_unsettled));
  gauges_.oldest_ms = recorded_.empty() ? 0 : recorded_.begin()->second;
}

void SubscriptionShard::fail_for_good(std::string why) {
  log::error("subscription {}: stopped: {}", subscription_->policy.name, why);
  failure_ = std::move(why);
  gauges_.failed = true;
  stopped_ = true;
}

bool SubscriptionShard::lease_outlasts(Duration timeout) const {
  const auto lease = journal_.ownership().lease(seat_.place.shard);
  return lease && lease->epoch == seat_.epoch &&
         lease->until - net::monotonic_now() > std::min(timeout, kLeaseLeft);
}

void SubscriptionShard::carry_out(effect::Send& send) {
  if (draining_ || stopped_) {
    return;  // as if we had crashed here: whoever comes next sends it
  }
  tasks_.spawn(this->send(std::move(send)));
}

net::Task<> SubscriptionShard::send(effect::Send send) {
  const std::uint64_t life = life_;
  const auto wanted = [this, life] { return life == life_ && !stopped_ && lease_outlasts(Duration::zero()); };
  if (!lease_outlasts(subscription_->policy.timeout)) {
    input::Answer held{.token = send.token, .head = {.kind = DeliveryAnswer::Kind::held_back}};
    co_await net::sleep_for(*host_.loop, Duration::zero());
    feed(std::move(held));
    co_return;
  }
  auto target = target_of(*send.event);
  FLOTILLA_ASSERT(target);  // arrived() has tried
  const Attempt attempt{.subscription = *subscription_,
                        .send = send,
                        .target = *std::move(target),
                        .delivery = delivery_token(seat_.place, send.token)};
  ++sending_;
  input::Answer answer = co_await host_.carrier->deliver(attempt, wanted);
  --sending_;
  idle_.set();
  if (life == life_) {
    feed(std::move(answer));
  }
}

void SubscriptionShard::carry_out(effect::Append& append) {
  appending_ = true;
  tasks_.spawn(this->append(std::move(append)));
}

net::Task<> SubscriptionShard::append(effect::Append append) {
  const auto finish = [this](SubscriptionInput input) {
    appending_ = false;
    feed(std::move(input));
    idle_.set();
  };
  for (;;) {
    SubscriptionBatch made = make_batch(append, subscription_->policy, seat_.place, topics_.all());
    made.batch.epoch = seat_.epoch;
    made.batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
    const auto done = co_await journal_.append(std::move(made.batch));
    if (done) {
      for (std::size_t i = 0; i < made.new_topics.size(); ++i) {
        topics_.put(made.new_topics[i], done->created[i]);
      }
      finish(input::Appended{});
      co_return;
    }
    if (const auto* taken = std::get_if<journal::KeyTaken>(&done.error())) {
      topics_.put(taken->key, taken->holder.stream);  // somebody else published to it first
      continue;
    }
    if (std::holds_alternative<journal::StaleEpoch>(done.error())) {
      finish(input::AppendFailed{.stale_epoch = true});
      co_return;
    }
    log::warning("subscription {}: the journal did not take its progress: {}", subscription_->policy.name,
                 describe(done.error()));
    if (!surely_not_kept(done.error())) {
      finish(input::AppendFailed{});
      co_return;
    }
    co_await net::sleep_for(*host_.loop, kAppendAgain);
  }
}

void SubscriptionShard::carry_out(const effect::Wake& wake) {
  if (wake.at == kNever) {
    wake_.disarm();
  } else {
    host_.loop->arm(wake_, wake.at);
  }
}

void SubscriptionShard::carry_out(const effect::Alert& alert) {
  constexpr std::array<std::string_view, 7> words{
      "the subscriber is gone (410), and it is paused",
      "the subscriber refuses who we are",
      "the subscriber answers with a redirect, which is not followed",
      "a dead letter",
      "a key is held back until somebody releases it",
      "too many keys are held back, and it is paused",
      "it reads no further"};
  log::warning("subscription {}: {}: {}", subscription_->policy.name,
               words[static_cast<std::size_t>(alert.kind)], alert.detail);
}

void SubscriptionShard::carry_out(effect::Reply& reply) {
  const auto found = asking_.find(reply.waiter);
  if (found != asking_.end()) {
    found->second->reply = std::move(reply);
    found->second->answered = true;
    found->second->changed.set();
  }
}

net::Task<effect::Reply> SubscriptionShard::ask(SubscriptionInput input) {
  Asking asking;
  const Waiter waiter = next_waiter_++;
  asking_.emplace(waiter, &asking);
  const auto forget = [this, waiter](void*) { asking_.erase(waiter); };
  const std::unique_ptr<void, decltype(forget)> forgetting(this, forget);
  std::visit(
      [waiter](auto& in) {
        if constexpr (requires { in.waiter; }) {
          in.waiter = waiter;
        }
      },
      input);
  feed(std::move(input));
  while (!asking.answered) {
    co_await asking.changed.wait();
  }
  co_return std::move(asking.reply);
}

void SubscriptionShard::carry_out(const effect::Reload& /*reload*/) {
  loaded_ = false;
  ++life_;  // attempts that wait are not sent any more, and answers of the others are not listened to
  fetch_ = 0;
  redrive_fetch_ = 0;
  wake_.disarm();
  tasks_.spawn(load(kReloadPause));
}

void SubscriptionShard::carry_out(const effect::Stop& /*stop*/) {
  ++life_;
  stopped_ = true;
  wake_.disarm();
}

net::Task<> SubscriptionShard::drain(Instant deadline) {
  draining_ = true;
  while ((sending_ > 0 || appending_) && host_.loop->now() < deadline) {
    co_await idle_.wait(deadline);
  }
}

std::string delivery_token(SubscriptionPlace place, std::uint64_t token) {
  return fmt::format("{}-{:x}", place.shard, token);
}

std::optional<DeliveryToken> parse_delivery_token(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto shard = parse_int<std::uint32_t>(text.substr(0, dash));
  if (!shard || dash == std::string_view::npos || text.size() - dash - 1 > 16 || text.size() == dash + 1) {
    return std::nullopt;
  }
  DeliveryToken out{.shard = *shard};
  for (const char c : text.substr(dash + 1)) {
    const int digit = hex_digit(c);
    if (digit < 0) {
      return std::nullopt;
    }
    out.token = out.token << 4 | static_cast<std::uint64_t>(digit);
  }
  return out;
}

}  // namespace flotilla::events
