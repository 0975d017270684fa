#include "flotilla/journal/core/lease_plan.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::journal {
namespace {

// A table without us, from a store that has just forgotten us, is shared with us all the same.
std::size_t live_processes(const LeaseReport& report) {
  return std::max<std::size_t>(report.processes.size(), 1);
}

}  // namespace

LeasePlan::LeasePlan(std::string process, std::uint32_t shards, Random random)
    : process_(std::move(process)), slots_(shards), random_(random) {}

LeaseRequest LeasePlan::begin_round(Instant now) {
  FLOTILLA_ASSERT(!in_round_);
  in_round_ = true;
  sent_ = now;
  LeaseRequest request{.release = {}, .renew = {}, .take = std::exchange(wanted_, {}), .leave = false};
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    Slot& slot = slots_[shard];
    if (slot.state == State::left) {
      slot.asked = Asked::release;
      request.release.push_back({shard, slot.epoch});
    } else if (slot.state != State::none && now < slot.until) {
      slot.asked = Asked::renew;
      request.renew.push_back({shard, slot.epoch});
    }
  }
  for (const std::uint32_t shard : request.take) {
    slots_[shard].asked = Asked::take;
  }
  request.leave = leaving_ && request.renew.empty();
  return request;
}

// What the answer says about one shard that the request named.
void LeasePlan::settle(std::uint32_t shard, Asked asked, const LeaseReport::Row& row, Changes& changes) {
  Slot& slot = slots_[shard];
  const bool ours = row.live && row.owner == process_;
  switch (asked) {
    case Asked::nothing:
      break;
    case Asked::release:
      slot = {};
      break;
    case Asked::renew:
      if (slot.state == State::none) {
        break;  // it lapsed meanwhile
      }
      if (ours && row.epoch == slot.epoch) {
        slot.until = sent_ + kLeaseTime;
      } else {
        if (slot.state != State::left) {
          changes.lost.push_back(shard);
        }
        slot = {};
      }
      break;
    case Asked::take:
      if (ours && !leaving_) {
        slot = {.state = State::held, .epoch = row.epoch, .until = sent_ + kLeaseTime};
        changes.gained.push_back({shard, slot.epoch, slot.until});
      }
      break;
  }
}

LeasePlan::Changes LeasePlan::answered(Instant now, const LeaseReport& report) {
  FLOTILLA_ASSERT(in_round_ && report.shards.size() == slots_.size());
  if (now >= sent_ + kLeaseTime) {
    return failed(now);  // what it grants is over already
  }
  Changes changes = lapse(now);
  in_round_ = false;
  bool tried = false;
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    const Asked asked = std::exchange(slots_[shard].asked, Asked::nothing);
    tried = tried || asked == Asked::take;
    settle(shard, asked, report.shards[shard], changes);
  }
  const std::size_t share = slots_.size() / live_processes(report);
  next_round_ = sent_ + (leaving_ || held() < share ? kLeaseRetry : kLeaseRenewal);
  if (leaving_) {
    gone_ = held() == 0;
  } else {
    plan_taking(report);
    plan_giving(report, changes);
  }
  const bool take = !wanted_.empty() && (!tried || !changes.gained.empty());  // not where others were faster
  if (take || std::ranges::any_of(slots_, [](const Slot& slot) { return slot.state == State::left; })) {
    next_round_ = now;
  }
  return changes;
}

LeasePlan::Changes LeasePlan::failed(Instant now) {
  FLOTILLA_ASSERT(in_round_);
  in_round_ = false;
  for (Slot& slot : slots_) {
    slot.asked = Asked::nothing;
  }
  next_round_ = now + kLeaseRetry;
  return lapse(now);
}

bool LeasePlan::is_free(std::uint32_t shard, const LeaseReport::Row& row) const noexcept {
  // In our name and not held: an answer was lost, or it lapsed here.
  return slots_[shard].state == State::none && (!row.live || row.owner.empty() || row.owner == process_);
}

void LeasePlan::plan_taking(const LeaseReport& report) {
  const std::size_t live = live_processes(report);
  const std::size_t fair = (slots_.size() + live - 1) / live;
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    if (is_free(shard, report.shards[shard])) {
      wanted_.push_back(shard);
    }
  }
  // In an order of our own, so that several who take at once rarely want the same.
  for (std::size_t i = wanted_.size(); i > 1; --i) {
    std::swap(wanted_[i - 1], wanted_[random_.below(i)]);
  }
  wanted_.resize(std::min(wanted_.size(), fair - std::min(fair, held())));
}

void LeasePlan::plan_giving(const LeaseReport& report, Changes& changes) {
  const std::size_t live = live_processes(report);
  const std::size_t share = slots_.size() / live;
  const std::size_t fair = (slots_.size() + live - 1) / live;
  std::unordered_map<std::string_view, std::size_t> owned;
  std::size_t on_offer = 0;
  std::size_t staying = 0;
  std::size_t under_way = 0;
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    const LeaseReport::Row& row = report.shards[shard];
    const bool taken = row.live && !row.owner.empty() && row.owner != process_;
    on_offer += slots_[shard].state != State::held && !taken ? 1 : 0;
    staying += slots_[shard].state == State::held ? 1 : 0;
    under_way += slots_[shard].state == State::leaving ? 1 : 0;
    owned[row.owner] += taken ? 1 : 0;
  }
  // One more than the share is fair while nobody has less.
  const std::size_t enough = staying > fair ? fair : share;
  std::size_t lacking = 0;
  for (const std::string& process : report.processes) {
    lacking += process == process_ ? 0 : enough - std::min(enough, owned[process]);
  }
  lacking -= std::min(lacking, on_offer);
  std::size_t surplus = staying > fair ? staying - fair : std::size_t{staying > share ? 1U : 0U};
  surplus = std::min({surplus, lacking, kMaxGiveBack - under_way});
  // The highest first: shard 0, which has the locks, moves least.
  for (std::uint32_t shard = static_cast<std::uint32_t>(slots_.size()); shard-- > 0 && surplus > 0;) {
    if (slots_[shard].state == State::held) {
      slots_[shard].state = State::leaving;
      changes.leaving.push_back(shard);
      --surplus;
    }
  }
}

LeasePlan::Changes LeasePlan::lapse(Instant now) {
  Changes changes;
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    Slot& slot = slots_[shard];
    if (slot.state == State::none || now < slot.until) {
      continue;
    }
    if (slot.state != State::left) {
      changes.lost.push_back(shard);
    }
    slot = {.state = State::none, .asked = slot.asked, .epoch = 0, .until = {}};
  }
  return changes;
}

Instant LeasePlan::next_lapse() const noexcept {
  Instant next = kNever;
  for (const Slot& slot : slots_) {
    if (slot.state != State::none) {
      next = std::min(next, slot.until);
    }
  }
  return next;
}

void LeasePlan::left(std::uint32_t shard) {
  if (slots_[shard].state == State::leaving) {  // else it was lost before
    slots_[shard].state = State::left;
    next_round_ = {};
  }
}

LeasePlan::Changes LeasePlan::leave() {
  leaving_ = true;
  wanted_.clear();
  next_round_ = {};
  Changes changes;
  for (std::uint32_t shard = 0; shard < slots_.size(); ++shard) {
    if (slots_[shard].state == State::held) {
      slots_[shard].state = State::leaving;
      changes.leaving.push_back(shard);
    }
  }
  return changes;
}

std::optional<Lease> LeasePlan::lease(std::uint32_t shard) const {
  const Slot& slot = slots_[shard];
  return slot.state == State::held || slot.state == State::leaving
             ? std::optional(Lease{shard, slot.epoch, slot.until})
             : std::nullopt;
}

std::size_t LeasePlan::held() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.state != State::none; }));
}

}  // namespace flotilla::journal
