#include "flotilla/journal/postgres_leases.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/postgres_schema.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal::pg {
namespace {

// Of one call; shorter than a lease, so that a slow answer is noticed before it ends.
constexpr Millis kCallTimeout{2000};
constexpr Duration kShortest = std::chrono::milliseconds(5);
// What giving back at the end waits for the work of shards to stop.
constexpr Duration kLastPatience = std::chrono::seconds(2);

// Where all shards are ours, of so many looks one.
constexpr int kLooksPassedOver = 10;

struct Pairs {
  std::vector<std::int64_t> shards;
  std::vector<std::int64_t> epochs;
};
Pairs split(const std::vector<ShardEpoch>& pairs) {
  Pairs out;
  for (const ShardEpoch& pair : pairs) {
    out.shards.push_back(std::int64_t{pair.shard});
    out.epochs.push_back(static_cast<std::int64_t>(pair.epoch));
  }
  return out;
}

}  // namespace

LeaseKeeper::LeaseKeeper(Options options, LeaseTable& table, Moved moved, TakenOut taken_out)
    : options_(std::move(options)),
      table_(table),
      moved_(std::move(moved)),
      taken_out_(std::move(taken_out)),
      plan_(options_.process, kShards, Random(options_.seed)) {
  thread_ = std::thread([this] { run(); });
}

LeaseKeeper::~LeaseKeeper() {
  release_all(kLastPatience);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LeaseKeeper::wait_for_first(Duration patience) {
  std::unique_lock lock(mutex_);
  told_.wait_for(lock, patience, [&] { return rounds_ >= 2 || !trouble_.empty(); });
}

void LeaseKeeper::release_all(Duration patience) {
  std::unique_lock lock(mutex_);
  leaving_ = true;
  wake_.notify_all();
  told_.wait_for(lock, patience, [&] { return gone_; });
}

std::string LeaseKeeper::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void LeaseKeeper::note(std::string trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
  ++rounds_;
  gone_ = plan_.gone();
  told_.notify_all();
}

void LeaseKeeper::run() {
  bool left = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool leave_now = leaving_ && !std::exchange(left, left || leaving_);
    lock.unlock();
    if (leave_now) {
      apply(plan_.leave(), {});
    }
    let_go();
    const Instant now = net::monotonic_now();
    apply(plan_.lapse(now), {});
    if (now >= plan_.next_round() && !plan_.gone()) {
      round(now);
    }
    if (now >= next_look_) {
      look();
    }
    const Instant next = std::min({plan_.next_round(), plan_.next_lapse(), next_look_});
    lock.lock();
    const Duration pause = std::max(next - net::monotonic_now(), Duration(kShortest));
    wake_.wait_for(lock, std::min(pause, Duration(options_.look_every)),
                   [&] { return stopping_ || (leaving_ && !left); });
  }
}

Answer LeaseKeeper::ask(const std::string& sql, const Arguments& arguments) {
  if (connection_ == nullptr || !connection_->is_open()) {
    auto opened = Connection::open(options_.store, "leases", kCallTimeout);
    if (!opened) {
      return std::unexpected(Failure{.message = opened.error().message, .state = {}, .lost = true});
    }
    connection_ = std::move(*opened);
  }
  return connection_->query(sql, arguments);
}

void LeaseKeeper::round(Instant now) {
  const LeaseRequest request = plan_.begin_round(now);
  const Pairs release = split(request.release);
  const Pairs renew = split(request.renew);
  Arguments arguments;
  arguments.text(options_.process)
      .text(options_.address)
      .number(to_millis(kLeaseTime))
      .flag(request.leave)
      .numbers(release.shards)
      .numbers(release.epochs)
      .numbers(renew.shards)
      .numbers(renew.epochs)
      .numbers(std::vector<std::int64_t>(request.take.begin(), request.take.end()));
  const auto answer =
      ask("SELECT * FROM flotilla.lease_round($1, $2, $3, $4, $5, $6, $7, $8, $9)", arguments);
  if (!answer) {
    apply(plan_.failed(net::monotonic_now()), {});
    note(fmt::format("the leases cannot be renewed: {}", answer.error().message));
    return;
  }
  LeaseReport report;
  std::map<std::uint32_t, std::uint64_t> positions;
  std::vector<std::string> owners(kShards);
  for (int row = 0; row < answer->count(); ++row) {
    const std::int64_t shard = answer->number(row, 0);
    if (shard < 0) {
      report.processes.emplace_back(answer->bytes(row, 1));
      continue;
    }
    report.shards.push_back({.owner = std::string(answer->bytes(row, 1)),
                             .epoch = answer->unsigned_number(row, 2),
                             .live = answer->number(row, 3) != 0});
    positions[static_cast<std::uint32_t>(shard)] = answer->unsigned_number(row, 4);
    if (report.shards.back().live) {
      owners[static_cast<std::size_t>(shard)] = answer->bytes(row, 5);
    }
  }
  table_.set_owners(std::move(owners));
  apply(plan_.answered(net::monotonic_now(), report), positions);
  for (std::uint32_t shard = 0; shard < kShards; ++shard) {
    if (const auto lease = plan_.lease(shard); lease && table_.is_held(shard)) {
      table_.renew(shard, lease->until);
    }
  }
  note({});
}

void LeaseKeeper::apply(const LeasePlan::Changes& changes,
                        const std::map<std::uint32_t, std::uint64_t>& positions) {
  for (const std::uint32_t shard : changes.lost) {
    log::warning("journal {}: shard {} is lost", options_.store.name, shard);
    table_.lose(shard);
    leaving_shards_.erase(shard);
  }
  for (const Lease& lease : changes.gained) {
    moved_(Position(positions.at(lease.shard), lease.shard));
    table_.gain(lease);
  }
  for (const std::uint32_t shard : changes.leaving) {
    leaving_shards_[shard] = table_.lose(shard);
  }
  let_go();
}

// Gives back what nobody works on any more.
void LeaseKeeper::let_go() {
  std::erase_if(leaving_shards_, [&](const auto& each) {
    if (!each.second.expired()) {
      return false;
    }
    plan_.left(each.first);
    return true;
  });
}

// How far the shards of others have come, and whether something was taken out by another process.
void LeaseKeeper::look() {
  next_look_ = net::monotonic_now() + options_.look_every;
  bool all_ours = true;
  for (std::uint32_t shard = 0; shard < kShards && all_ours; ++shard) {
    all_ours = table_.is_held(shard);
  }
  if (all_ours && ++looks_passed_over_ < kLooksPassedOver) {
    return;
  }
  looks_passed_over_ = 0;
  const auto answer = ask(
      "SELECT shard, position FROM flotilla.shards UNION ALL SELECT -1, taken_out FROM flotilla.store", {});
  for (int row = 0; answer && row < answer->count(); ++row) {
    if (answer->number(row, 0) < 0) {
      note_taken_out(answer->number(row, 1));
      continue;
    }
    const auto shard = static_cast<std::uint32_t>(answer->number(row, 0));
    if (!table_.is_held(shard)) {
      moved_(Position(answer->unsigned_number(row, 1), shard));
    }
  }
}

// Once more at the next look: what was committed before may come into memory a moment later.
void LeaseKeeper::note_taken_out(std::int64_t times) {
  const bool news = times_taken_out_ && times != *times_taken_out_;
  if (news || taken_out_twice_) {
    taken_out_();
  }
  taken_out_twice_ = news;
  times_taken_out_ = times;
}

}  // namespace flotilla::journal::pg
