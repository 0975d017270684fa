#include "flotilla/events/core/size_retention.hpp"

#include <algorithm>

namespace flotilla::events {
namespace {

using Fault = SizeRetentionFault;

}  // namespace

std::optional<sizing::Effect> SizeRetention::step(sizing::Input input) {
  return std::visit([this](auto& each) { return on(each); }, input);
}

bool SizeRetention::may_look(std::uint64_t end, std::uint64_t generation) const noexcept {
  return !busy_ && (!weighed_ || generation != generation_ || end > end_ || bytes_ > limit_);
}

SizeRetention::Next SizeRetention::on(const sizing::Look& look) {
  if (!may_look(look.end, look.generation)) {
    return std::nullopt;
  }
  if (look.generation != generation_ && !planted(Fault::forget_nothing)) {
    on(sizing::Failed{});
  }
  generation_ = look.generation;
  floor_ = planted(Fault::ignore_floor) ? look.end : look.floor;
  busy_ = true;
  const bool more = look.end > end_ || !weighed_;
  end_ = look.end;
  return more && !(planted(Fault::weigh_once) && weighed_) ? weigh() : cut();
}

SizeRetention::Next SizeRetention::weigh() { return sizing::Weigh{.after = at_, .bytes = piece_bytes()}; }

SizeRetention::Next SizeRetention::on(const sizing::Weighed& weighed) {
  if (!busy_) {
    return std::nullopt;
  }
  if (weighed.bytes > 0) {
    const bool joins =
        !pieces_.empty() && !planted(Fault::grow_pieces) &&
        (pieces_.back().bytes + weighed.bytes <= piece_bytes() || pieces_.size() >= kMaxPieces);
    if (joins) {
      pieces_.back().until = weighed.until;
      pieces_.back().bytes += weighed.bytes;
    } else {
      pieces_.push_back({.until = weighed.until, .bytes = weighed.bytes});
    }
    bytes_ += weighed.bytes;
    at_ = weighed.until;
  }
  if (!weighed.at_end) {
    return weigh();
  }
  weighed_ = true;
  return cut();
}

SizeRetention::Next SizeRetention::cut() {
  std::uint64_t left = bytes_;
  going_ = 0;
  const std::size_t most =
      pieces_.empty() || planted(Fault::remove_newest) ? pieces_.size() : pieces_.size() - 1;
  while (going_ < most && left > limit_ && pieces_[going_].until <= floor_) {
    left -= pieces_[going_++].bytes;
  }
  if (going_ > 0 && going_ < most && planted(Fault::remove_too_much)) {
    ++going_;
  }
  if (going_ == 0 || planted(Fault::never_remove)) {
    return rest();
  }
  return sizing::Remove{.until = pieces_[going_ - 1].until};
}

SizeRetention::Next SizeRetention::on(const sizing::Removed& /*removed*/) {
  for (; going_ > 0; --going_) {
    bytes_ -= pieces_.front().bytes;
    pieces_.pop_front();
  }
  return rest();
}

// Weighs anew.
SizeRetention::Next SizeRetention::on(const sizing::Failed& /*failed*/) {
  pieces_.clear();
  bytes_ = 0;
  at_ = 0;
  end_ = 0;
  weighed_ = false;
  going_ = 0;
  return rest();
}

SizeRetention::Next SizeRetention::rest() {
  busy_ = false;
  return std::nullopt;
}

}  // namespace flotilla::events
