#include "flotilla/journal/postgres_lane.hpp"

#include <algorithm>
#include <bit>
#include <random>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/core/retention.hpp"
#include "flotilla/journal/postgres_rows.hpp"
#include "flotilla/journal/postgres_schema.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal::pg {
namespace {

// One transaction holds at most this, so that no answer waits for a very long commit.
constexpr std::size_t kGroupBatches = 1024;
constexpr std::size_t kGroupBytes = std::size_t{8} << 20;
constexpr int kAttempts = 6;
// Before a transaction that lost against a rival is tried again: drawn, since the rival may do the same,
// below this and its double each time.
constexpr std::chrono::microseconds kRivalPause{5'000};
constexpr Duration kFirstPause = std::chrono::milliseconds(50);
constexpr Duration kLongestPause = std::chrono::seconds(2);
constexpr std::size_t kMaxKnownCategories = kMaxCategories;

// SQLSTATEs of transactions that lost against another one and may be repeated.
bool is_rivalry(const Failure& failure) { return failure.is("40P01") || failure.is("40001"); }
// Of a server on which this connection will not write again.
bool is_wrong_server(const Failure& failure) { return failure.is("25006"); }

std::int64_t random_number() {
  std::random_device device;
  return static_cast<std::int64_t>((std::uint64_t{device()} << 31 | device()) & kMaxNumber) | 1;
}

}  // namespace

Lane::Lane(Options options, Port port)
    : options_(std::move(options)), port_(std::move(port)), group_(random_number() / 2) {
  thread_ = std::thread([this] { run(); });
}

Lane::~Lane() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Health Lane::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void Lane::set_health(Health health) {
  {
    const std::lock_guard lock(mutex_);
    if (health_.state == health.state && health_.reason == health.reason) {
      return;
    }
    health_ = health;
  }
  if (health.state == Health::State::healthy) {
    log::info("journal {}: appends work again", options_.address.name);
  } else {
    log::error("journal {}: {}", options_.address.name, health.reason);
  }
}

void Lane::submit(Batch batch, Done<AppendResult> done) {
  const std::size_t bytes = weight(batch);
  std::string refusal;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() < options_.queue_batches &&
        (queue_bytes_ + bytes <= options_.queue_bytes || queue_.empty())) {
      queue_bytes_ += bytes;
      queue_.push_back({std::move(batch), std::move(done), bytes});
      port_.count([bytes](Metrics& metrics) {
        metrics.queue_batches.add();
        metrics.queue_bytes.add(bytes);
      });
      wake_.notify_one();
      return;
    }
    refusal = fmt::format("{} batches ({} bytes) wait for these shards of the journal, the limit is {} ({})",
                          queue_.size(), queue_bytes_, options_.queue_batches, options_.queue_bytes);
  }
  port_.count([](Metrics& metrics) { metrics.overloaded.add(); });
  done(std::unexpected<AppendError>(Overloaded{std::move(refusal)}));
}

void Lane::run() {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return !queue_.empty() || stopping_; };
  while (true) {
    if (!failing_) {
      wake_.wait(lock, ready);
    } else if (!wake_.wait_for(lock, options_.retry_every, ready)) {
      lock.unlock();
      probe();
      lock.lock();
      continue;
    }
    if (queue_.empty()) {
      return;  // stopping
    }
    Group group = take_group();
    lock.unlock();
    commit_group(group);
    group.clear();
    lock.lock();
  }
}

Lane::Group Lane::take_group() {
  Group group;
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < kGroupBatches && bytes < kGroupBytes) {
    bytes += queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  port_.count([&](Metrics& metrics) {
    metrics.queue_batches.sub(group.size());
    metrics.queue_bytes.sub(bytes);
  });
  return group;
}

void Lane::commit_group(Group& group) {
  const Instant begin = net::monotonic_now();
  StoreUnavailable error;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    error = {};
    if (auto results = try_group(group, attempt == kAttempts, error)) {
      accept(group, *results, net::monotonic_now() - begin);
      return;
    }
    if (!error.reason.empty()) {
      break;
    }
    if (std::exchange(lost_to_rival_, false)) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(random_number() % (kRivalPause.count() << attempt)));
    }
  }
  answer_all(group, error);
}

bool Lane::connect() {
  if (connection_ != nullptr && connection_->is_open()) {
    return true;
  }
  if (net::monotonic_now() < next_try_) {
    return false;
  }
  auto opened = Connection::open(options_.address, "writer", options_.statement_timeout);
  if (opened) {
    if (auto ok = prepare_appends(**opened); !ok) {
      opened = std::unexpected(to_error(ok.error()));
    }
  }
  if (!opened) {
    pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
    next_try_ = net::monotonic_now() + pause_;
    fail_with(opened.error().message);
    return false;
  }
  pause_ = {};
  connection_ = std::move(*opened);
  session_ = random_number();
  entered_.clear();
  categories_.clear();
  periods_.clear();
  return true;
}

void Lane::fail_with(std::string reason) {
  failing_ = true;
  set_health({Health::State::failing, fmt::format("the journal cannot commit: {}", reason)});
}

std::expected<void, Failure> Lane::enter(std::uint32_t shard, std::uint64_t epoch) {
  if (const auto found = entered_.find(shard); found != entered_.end() && found->second == epoch) {
    return {};
  }
  Arguments arguments;
  arguments.number(std::int64_t{shard}).number(epoch).number(session_);
  if (auto answer = connection_->query("SELECT known FROM flotilla.enter($1, $2, $3)", arguments); !answer) {
    return std::unexpected(std::move(answer.error()));
  }
  entered_[shard] = epoch;  // if it is stale, the append says so
  return {};
}

std::expected<void, Failure> Lane::add_categories(const Group& group) {
  std::set<std::string_view> fresh;
  for (const Request& request : group) {
    for (const Append& append : request.batch.appends) {
      for (const NewRecord& record : append.records) {
        if (!record.category.empty() && !categories_.contains(record.category)) {
          fresh.insert(record.category);
        }
      }
    }
  }
  if (fresh.empty()) {
    return {};
  }
  Arguments arguments;
  arguments.all_bytes(std::vector<std::string_view>(fresh.begin(), fresh.end())).number(kMaxCategories);
  if (auto answer = connection_->query("SELECT flotilla.add_categories($1, $2)", arguments); !answer) {
    return std::unexpected(std::move(answer.error()));
  }
  if (categories_.size() + fresh.size() > kMaxKnownCategories) {
    categories_.clear();
  }
  categories_.insert(fresh.begin(), fresh.end());
  return {};
}

std::expected<void, Failure> Lane::open_period(RecordClass record_class, std::int64_t retain) {
  const std::int64_t now = options_.now().value();
  const std::int64_t period = retention_period(retain);
  const auto known = periods_.find({record_class, retain});
  if (known != periods_.end() && now < known->second + period) {
    return {};
  }
  Arguments arguments;
  arguments.number(static_cast<std::int64_t>(record_class)).number(retain).number(now).number(period);
  auto answer = connection_->query("SELECT flotilla.open_period($1, $2, $3, $4)", arguments);
  if (!answer) {
    return std::unexpected(std::move(answer.error()));
  }
  periods_[{record_class, retain}] = answer->number(0, 0);
  return {};
}

// What the transaction needs to be there, each in a transaction of its own.
std::expected<void, Failure> Lane::prepare_for(const Group& group, const Retention& retention) {
  for (const Request& request : group) {
    if (auto ok = enter(request.batch.shard, request.batch.epoch); !ok) {
      return ok;
    }
    for (const Append& append : request.batch.appends) {
      for (const NewRecord& record : append.records) {
        const std::int64_t retain = retain_of(retention, append.record_class, record.category);
        if (retain == 0) {
          continue;
        }
        if (auto ok = open_period(append.record_class, retain); !ok) {
          return ok;
        }
      }
    }
  }
  return add_categories(group);
}

std::optional<std::vector<Judged>> Lane::try_group(const Group& group, bool last, StoreUnavailable& error) {
  if (!connect()) {
    error = {health().reason, Effect::none};
    return std::nullopt;
  }
  // Refuses with the group's first failure; without a sentence it may be tried again.
  const auto refuse = [&](const Failure& failure) {
    if (is_wrong_server(failure)) {
      connection_->close();
    }
    lost_to_rival_ = is_rivalry(failure);
    if (!last && (lost_to_rival_ || (failure.lost && error.effect == Effect::none))) {
      return;
    }
    fail_with(failure.message);
    error.reason = health().reason;
  };
  const std::shared_ptr<const Retention> retention = port_.retention();
  if (auto ok = prepare_for(group, *retention); !ok) {
    refuse(ok.error());
    return std::nullopt;
  }
  ++group_;
  connection_->add("BEGIN");
  for (const Request& request : group) {
    add_append(*connection_, request.batch, append_arguments(request.batch, session_, group_, *retention));
  }
  connection_->add("COMMIT");
  const std::vector<Answer> answers = connection_->finish();
  std::vector<Judged> results;
  const auto failed = std::ranges::find_if(answers, [](const Answer& answer) { return !answer; });
  for (std::size_t i = 0; i < group.size() && i + 1 < answers.size() && answers[i + 1]; ++i) {
    results.push_back(judged(group[i].batch, *answers[i + 1]));
  }
  if (failed == answers.end() && answers.back()->command() == "COMMIT") {
    return results;
  }
  Failure failure = failed == answers.end()
                        ? Failure{.message = "the server undid the transaction", .state = {}, .lost = false}
                        : failed->error();
  if (connection_->is_open()) {
    (void)connection_->query("ROLLBACK");
    refuse(failure);
    return std::nullopt;
  }
  failure.lost = true;
  const Fate fate = resolve(group);
  if (fate == Fate::committed && results.size() == group.size()) {
    return results;
  }
  error.effect = fate == Fate::not_committed ? Effect::none : Effect::unknown;
  refuse(failure);
  return std::nullopt;
}

// What has become of the newest transaction, whose connection was lost.
Lane::Fate Lane::resolve(const Group& group) {
  std::map<std::uint32_t, std::uint64_t> shards;
  for (const Request& request : group) {
    if (const auto entered = entered_.find(request.batch.shard); entered != entered_.end()) {
      shards.insert(*entered);
    }
  }
  const Instant deadline = net::monotonic_now() + options_.resolve_within;
  while (true) {
    if (connect()) {
      if (const auto fate = look_up(shards)) {
        return *fate;
      }
    }
    const Instant next = std::max(next_try_, net::monotonic_now() + kFirstPause);
    if (next >= deadline) {
      return Fate::unknown;
    }
    std::this_thread::sleep_for(next - net::monotonic_now());
  }
}

std::optional<Lane::Fate> Lane::look_up(const std::map<std::uint32_t, std::uint64_t>& shards) {
  Fate fate = Fate::not_committed;
  for (const auto& [shard, epoch] : shards) {
    Arguments arguments;
    arguments.number(std::int64_t{shard}).number(epoch).number(session_);
    const auto answer = connection_->query("SELECT * FROM flotilla.enter($1, $2, $3)", arguments);
    if (!answer) {
      return std::nullopt;
    }
    port_.moved_on(Position(answer->unsigned_number(0, 1), shard));
    if (answer->number(0, 2) == group_) {
      fate = Fate::committed;
    } else if (answer->number(0, 0) == 0 && fate == Fate::not_committed) {
      fate = Fate::unknown;  // another owner has written over the mark, or would have
    } else {
      entered_[shard] = epoch;
    }
  }
  return fate;
}

void Lane::accept(Group& group, std::vector<Judged>& results, Duration took) {
  std::map<std::uint32_t, std::vector<RecordPtr>> fresh;
  std::size_t committed = 0;
  std::size_t records = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    Judged& each = results[i];
    if (each.fenced) {
      entered_.erase(group[i].batch.shard);
    }
    committed += each.result ? 1U : 0U;
    records += each.records.size();
    auto& of_shard = fresh[group[i].batch.shard];
    of_shard.insert(of_shard.end(), each.records.begin(), each.records.end());
  }
  for (const auto& [shard, of_shard] : fresh) {
    port_.publish(shard, of_shard);
  }
  if (std::exchange(failing_, false)) {
    set_health({});
  }
  port_.count([&](Metrics& metrics) {
    metrics.refused.add(group.size() - committed);
    if (committed > 0) {
      metrics.commits.add();
      metrics.commit_time.record(took);
      metrics.batches.add(committed);
      metrics.records.add(records);
      const auto octave = static_cast<std::size_t>(std::bit_width(committed)) - 1;
      metrics.commit_batches[std::min(octave, metrics.commit_batches.size() - 1)].add();
    }
  });
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].done(std::move(results[i].result));
  }
}

void Lane::answer_all(Group& group, const StoreUnavailable& error) {
  port_.count([&](Metrics& metrics) { metrics.failed.add(group.size()); });
  for (Request& request : group) {
    request.done(std::unexpected<AppendError>(error));
  }
}

// A commit that changes nothing but proves that commits work.
void Lane::probe() {
  if (!connect()) {
    return;
  }
  if (auto answer = connection_->query("UPDATE flotilla.store SET version = version"); !answer) {
    if (is_wrong_server(answer.error())) {
      connection_->close();
    }
    fail_with(answer.error().message);
    return;
  }
  failing_ = false;
  set_health({});
}

}  // namespace flotilla::journal::pg
