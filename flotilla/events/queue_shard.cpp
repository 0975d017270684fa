#include "flotilla/events/queue_shard.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/events/queue_batch.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

constexpr Duration kReloadPause = std::chrono::seconds(1);
constexpr Duration kAppendAgain = std::chrono::milliseconds(500);
// How often the service's breaker is looked at, and over how long live calls are counted.
constexpr Duration kLook = std::chrono::milliseconds(200);
constexpr Duration kLivePeriod = std::chrono::seconds(2);
// What may drain of the calls that the service answers otherwise.
constexpr double kShareOfLive = 0.1;
constexpr Duration kPatience = std::chrono::seconds(5);
// What a lease has left at least when it is renewed in time: an attempt that may take longer is sent then.
constexpr Duration kLeaseLeft = journal::kLeaseTime - journal::kLeaseRenewal - journal::kLeaseRetry;

Now clocks(const net::Loop& loop) { return {.mono = loop.now(), .wall = net::wall_now()}; }

bool surely_not_kept(const journal::AppendError& error) {
  const auto* const store = std::get_if<journal::StoreUnavailable>(&error);
  return std::holds_alternative<journal::Overloaded>(error) ||
         (store != nullptr && store->effect == flotilla::Effect::none);
}

// Nobody can guess it, so nobody can use it up.
std::string made_up_key(const Ulid& id) {
  std::random_device device;
  const std::uint64_t secret = static_cast<std::uint64_t>(device()) << 32 | device();
  return fmt::format("q1-{}-{:016x}", id.text(), secret);
}

std::string printable(std::string_view text) {
  std::string out(text.substr(0, kMaxItemText));
  std::ranges::replace_if(out, [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

}  // namespace

struct QueueShard::Asking {
  queue_effect::Reply reply;
  bool answered = false;
  net::Event changed;
};

QueueShard::QueueShard(QueuePtr queue, journal::Journal& journal, const Shared& shared, QueueHost host,
                       Seat seat)
    : queue_(std::move(queue)),
      journal_(journal),
      shared_(shared),
      host_(std::move(host)),
      seat_(std::move(seat)),
      random_(seat_.seed),
      engine_(queue_->policy, seat_.seed + 1, shared_.counters),
      wake_([](void* self) { static_cast<QueueShard*>(self)->feed(queue_input::Timer{}); }, this) {}

QueueShard::~QueueShard() { tasks_.cancel_all(); }

void QueueShard::start() {
  tasks_.spawn(load(Duration::zero()));
  tasks_.spawn(watch());
}

// Effects may lead to further inputs at once; those wait until the effects before them were carried out.
void QueueShard::feed(QueueInput input) {
  inputs_.push_back(std::move(input));
  if (feeding_) {
    return;
  }
  feeding_ = true;
  while (!inputs_.empty()) {
    QueueInput next = std::move(inputs_.front());
    inputs_.pop_front();
    QueueEffects effects = engine_.step(std::move(next), clocks(*host_.loop));
    for (QueueEffect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }
  feeding_ = false;
  note();
}

void QueueShard::note() {
  const QueueView now = engine_.view();
  shared_.gauges.open = now.open;
  shared_.gauges.in_flight = now.in_flight;
  shared_.gauges.dead = now.dead;
  shared_.gauges.bytes = now.bytes;
  shared_.gauges.oldest_ms = now.oldest;
}

void QueueShard::fail_for_good(std::string why) {
  log::error("queue {}: stopped: {}", queue_->name(), why);
  failure_ = std::move(why);
  shared_.gauges.failed = true;
  stopped_ = true;
  shared_.board.set_known();  // what waits cannot hold back live calls for ever
  loaded_.set();
}

net::Task<Result<queue_input::Load>> QueueShard::saved() {
  queue_input::Load load;
  for (const QueueState state : {QueueState::pending, QueueState::sending}) {
    journal::SummaryQuery query{.record_class = journal::RecordClass::queue,
                                .name = queue_->name(),
                                .state = std::string(to_string(state)),
                                .shard = seat_.shard,
                                .newest_first = false,
                                .after = {},
                                .limit = journal::kMaxSummaries,
                                .changed_before = {},
                                .search = {}};
    for (;;) {
      const auto rows = co_await journal_.list(query);
      if (!rows) {
        co_return std::unexpected(rows.error());
      }
      for (const journal::Summary& row : *rows) {
        auto item = read_attributes(row.attributes, row.stream, row.state);
        if (!item) {
          co_return std::unexpected(item.error());
        }
        load.open.push_back(*std::move(item));
      }
      if (rows->size() < query.limit) {
        break;
      }
      query.after = rows->back().stream;
    }
  }
  const auto dead =
      co_await journal_.count(journal::CountQuery{.record_class = journal::RecordClass::queue,
                                                  .name = queue_->name(),
                                                  .state = std::string(to_string(QueueState::dead))});
  if (!dead) {
    co_return std::unexpected(dead.error());
  }
  for (const journal::StateCount& each : *dead) {
    load.dead += each.count;
  }
  co_return load;
}

net::Task<> QueueShard::load(Duration pause) {
  for (;;) {
    if (pause > Duration::zero()) {
      co_await net::sleep_for(*host_.loop, pause);
    }
    while (appending_ > 0) {  // what they write is to be read
      co_await idle_.wait();
    }
    if (stopped_) {
      co_return;
    }
    auto read = co_await saved();
    if (read) {
      feed(*std::move(read));
      shared_.board.set_known();
      loaded_.set();
      co_return;
    }
    const Errc code = read.error().code;
    if (code != Errc::unavailable && code != Errc::limit) {
      fail_for_good(std::move(read.error().message));
      co_return;
    }
    if (pause == Duration::zero()) {
      log::error("queue {}: cannot be read yet: {}", queue_->name(), read.error().message);
    }
    pause = kReloadPause;
  }
}

void QueueShard::carry_out(queue_effect::Append& append) {
  ++appending_;
  tasks_.spawn(this->append(std::move(append)));
}

QueueInput QueueShard::append_failed(const queue_effect::Append& append,
                                     const journal::AppendError& error) const {
  using What = queue_input::AppendFailed::What;
  queue_input::AppendFailed failed{
      .op = append.op, .what = What::unknown, .holder = {}, .detail = describe(error)};
  if (const auto* const taken = std::get_if<journal::KeyTaken>(&error)) {
    failed.holder = taken->holder.stream;
    failed.what = taken->scope == kQueueIds                                 ? What::not_kept
                  : taken->holder.hash == hash_of(append.accepted->request) ? What::key_taken
                                                                            : What::key_reused;
  } else if (std::holds_alternative<journal::TooLarge>(error)) {
    failed.what = What::too_large;
  } else if (std::holds_alternative<journal::StaleEpoch>(error)) {
    failed.what = What::stale_epoch;
  } else if (std::holds_alternative<journal::VersionConflict>(error)) {
    failed.what = What::conflict;
  } else if (surely_not_kept(error)) {
    failed.what = What::not_kept;
  }
  return failed;
}

net::Task<> QueueShard::append(queue_effect::Append append) {
  for (;;) {
    journal::Batch batch =
        make_batch(append, *queue_, journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000));
    batch.shard = seat_.shard;
    batch.epoch = seat_.epoch;
    const auto done = co_await journal_.append(std::move(batch));
    if (!done && append.type != QueueRecord::accepted && surely_not_kept(done.error())) {
      co_await net::sleep_for(*host_.loop, kAppendAgain);
      continue;
    }
    --appending_;
    if (done) {
      feed(queue_input::Appended{
          .op = append.op, .stream = done->created.empty() ? journal::StreamId() : done->created.front()});
    } else {
      feed(append_failed(append, done.error()));
    }
    idle_.set();
    co_return;
  }
}

net::Task<Result<AcceptedRecord>> QueueShard::request_of(const QueueItem& item) {
  const auto page = co_await journal_.read(journal::StreamQuery{
      .record_class = journal::RecordClass::queue, .stream = item.stream, .limits = {.records = 1}});
  if (!page) {
    co_return std::unexpected(page.error());
  }
  if (page->records.empty() ||
      page->records.front()->record.type != static_cast<std::uint16_t>(QueueRecord::accepted)) {
    co_return fail(Errc::invalid,
                   fmt::format("stream {} does not begin with a request", item.stream.value()));
  }
  co_return decode_accepted(page->records.front()->record.body);
}

// Whoever takes the shard over sends what we may have sent, too, and the next of its key.
bool QueueShard::lease_outlasts(Duration timeout) const {
  const auto lease = journal_.ownership().lease(seat_.shard);
  return lease && lease->epoch == seat_.epoch &&
         lease->until - net::monotonic_now() > std::min(timeout, kLeaseLeft);
}

void QueueShard::carry_out(queue_effect::Send& send) { tasks_.spawn(this->send(std::move(send))); }

net::Task<> QueueShard::send(queue_effect::Send send) {
  const std::uint64_t life = life_;
  ++sending_;
  queue_input::Answer answer{.head = {.kind = DeliveryAnswer::Kind::held_back}};
  const auto request = co_await request_of(send.item);
  if (!lease_outlasts(queue_->policy.timeout)) {
    // held back
  } else if (request) {
    answer = co_await host_.carrier->deliver(*queue_, *request, [this, life] {
      return life == life_ && !stopped_ && lease_outlasts(Duration::zero());
    });
  } else if (request.error().code != Errc::unavailable && request.error().code != Errc::limit) {
    answer.head = {.kind = DeliveryAnswer::Kind::status, .outcome = EventOutcome::reject};
    answer.body = "the request cannot be read: " + request.error().message;
    log::error("queue {}: {} becomes a dead letter: {}", queue_->name(), send.item.id.text(), answer.body);
  }
  answer.token = send.token;
  --sending_;
  if (life == life_) {
    feed(std::move(answer));
  }
  idle_.set();
}

net::Task<> QueueShard::watch() {
  double pace = queue_->fallback.drain;
  Instant counted = host_.loop->now();
  std::uint64_t before = host_.carrier->look(*queue_).successes;
  QueueGate told = QueueGate::closed;
  for (;;) {
    const ServiceWeather now = host_.carrier->look(*queue_);
    const Duration passed = host_.loop->now() - counted;
    const bool counts = passed >= kLivePeriod;
    if (counts) {
      const double live =
          static_cast<double>(now.successes - before) / (static_cast<double>(passed.count()) / 1e9);
      pace = std::max(queue_->fallback.drain, live * kShareOfLive);
      before = now.successes;
      counted = host_.loop->now();
    }
    if (counts || now.gate != told) {
      told = now.gate;
      feed(queue_input::Weather{.gate = now.gate, .pace = pace});
    }
    co_await net::sleep_for(*host_.loop, kLook);
  }
}

void QueueShard::carry_out(const queue_effect::Wake& wake) {
  if (wake.at == kNever) {
    wake_.disarm();
  } else {
    host_.loop->arm(wake_, wake.at);
  }
}

void QueueShard::carry_out(const queue_effect::KeyWaits& waits) { shared_.board.set(waits.key, waits.waits); }

void QueueShard::carry_out(const queue_effect::DeadLetter& dead) {
  log::warning("queue {}: {} {} {} is a dead letter: {} ({})", queue_->name(), dead.item.id.text(),
               dead.item.method, dead.item.path, to_string(*dead.item.reason), dead.item.code);
}

void QueueShard::carry_out(queue_effect::Reply& reply) {
  const auto found = asking_.find(reply.waiter);
  if (found != asking_.end()) {
    found->second->reply = std::move(reply);
    found->second->answered = true;
    found->second->changed.set();
  }
}

void QueueShard::carry_out(const queue_effect::Reload& /*reload*/) {
  log::error("queue {}: the journal did not take what happened: it is read anew", queue_->name());
  ++life_;  // attempts that wait are not sent any more, and answers of the others are not listened to
  shared_.board.forget();
  wake_.disarm();
  tasks_.spawn(load(kReloadPause));
}

void QueueShard::carry_out(const queue_effect::Stop& /*stop*/) {
  ++life_;
  stopped_ = true;
  wake_.disarm();
  loaded_.set();
}

net::Task<queue_effect::Reply> QueueShard::ask(QueueInput input) {
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

std::string QueueShard::status_url(std::string_view id) const {
  return fmt::format("{}/v1/queues/{}/{}", seat_.status_base, queue_->name(), id);
}

net::Task<call::Taken> QueueShard::take(call::DeferredCall deferred) {
  using What = call::Taken::What;
  const Instant patience = saturating_add(host_.loop->now(), kPatience);
  if (!engine_.loaded() && early_ < kMostEarly) {
    ++early_;
    while (!engine_.loaded() && !stopped_ && co_await loaded_.wait(patience)) {
    }
    --early_;
  }
  const WallTime now = net::wall_now();
  const std::int64_t millis = now.ns_since_epoch / 1'000'000;
  QueueItem item{.id = Ulid::make(now, random_), .stream = {}, .version = 1};
  const auto own_key = deferred.request.headers.get("Idempotency-Key");
  const Certainty certainty = deferred.maybe_acted ? Certainty::unknown : Certainty::never_sent;
  item.key = deferred.key;
  item.claim = own_key ? queue_claim(deferred.request, *own_key) : std::string();
  item.certainty = certainty;
  item.resendable = deferred.resendable;
  item.accepted = millis;
  item.expires = millis + to_millis(queue_->policy.age);
  item.method = printable(deferred.request.method);
  item.path =
      printable(std::string_view(deferred.request.target).substr(0, deferred.request.target.find('?')));
  item.code = to_string(deferred.cause);
  auto record = std::make_shared<AcceptedRecord>(
      AcceptedRecord{.id = item.id,
                     .key = item.key,
                     .service = deferred.service.value(),
                     .request = {},
                     .idempotency_key = own_key ? std::string(*own_key) : made_up_key(item.id),
                     .resendable = item.resendable,
                     .certainty = certainty,
                     .cause = item.code,
                     .expires = item.expires});
  record->request = std::move(deferred.request);
  item.bytes = encode(*record).size();
  std::string id = item.id.text();
  if (item.bytes > journal::kMaxBody) {
    co_return call::Taken{.what = What::too_large, .id = {}, .status_url = {}, .detail = "it is too large"};
  }
  auto reply = co_await ask(queue_input::Offer{.item = std::move(item), .request = std::move(record)});
  co_return co_await taken_of(std::move(reply), std::move(id));
}

net::Task<call::Taken> QueueShard::taken_of(queue_effect::Reply reply, std::string own_id) {
  using What = call::Taken::What;
  call::Taken taken{.what = What::failed, .id = {}, .status_url = {}, .detail = std::move(reply.detail)};
  switch (reply.offer) {
    case QueueOffer::accepted:
      taken.what = What::queued;
      taken.id = std::move(own_id);
      break;
    case QueueOffer::duplicate: {
      const auto row = co_await journal_.summary(reply.holder);
      auto item = row && *row ? read_attributes((*row)->attributes, reply.holder, (*row)->state)
                              : Result<QueueItem>(fail(Errc::unavailable, "it cannot be read"));
      if (!item) {
        taken.detail = std::move(item.error().message);
        co_return taken;
      }
      taken.what = What::duplicate;
      taken.id = item->id.text();
      break;
    }
    case QueueOffer::key_reused:
      taken.what = What::key_reused;
      taken.detail = "another call with this Idempotency-Key waits already";
      co_return taken;
    case QueueOffer::full:
      taken.what = What::full;
      taken.detail = fmt::format("queue '{}' is at its bound of {} calls or {} bytes", queue_->name(),
                                 queue_->policy.items, queue_->policy.bytes);
      co_return taken;
    case QueueOffer::too_large:
      taken.what = What::too_large;
      co_return taken;
    case QueueOffer::failed:
      taken.maybe_kept = reply.maybe_kept;
      co_return taken;
  }
  taken.status_url = status_url(taken.id);
  co_return taken;
}

net::Task<Asked<std::monostate>> QueueShard::operate(QueueVerb verb, QueueItem item, std::string who_why) {
  const auto reply = co_await ask(
      queue_input::Operate{.verb = verb, .item = std::move(item), .who_why = std::move(who_why)});
  if (reply.done) {
    co_return std::monostate{};
  }
  co_return refuse(Reason::conflict, reply.detail);
}

net::Task<> QueueShard::drain(Instant deadline) {
  feed(queue_input::Drain{});
  while ((sending_ > 0 || appending_ > 0) && host_.loop->now() < deadline) {
    co_await idle_.wait(deadline);
  }
}

}  // namespace flotilla::events
