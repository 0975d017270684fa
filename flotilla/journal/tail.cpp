#include "flotilla/journal/tail.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::journal {

std::size_t Tail::index_after(Position after) const noexcept {
  return static_cast<std::size_t>(std::max(after.number(), before_first_) - before_first_);
}

void Tail::publish(std::span<const RecordPtr> records) {
  if (records.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const RecordPtr& record : records) {
    FLOTILLA_ASSERT(record->position.number() == end_.load(std::memory_order_relaxed) + 1);
    records_.push_back(record);
    bytes_ += record->record.body.size();
    end_.store(record->position.number(), std::memory_order_release);
  }
  while (records_.size() > max_records_ || bytes_ > kMaxBytes) {
    bytes_ -= records_.front()->record.body.size();
    records_.pop_front();
    ++before_first_;
  }
  for (auto at = watches_.begin(); at != watches_.end();) {
    Watch& watch = **at;
    const bool wanted = std::ranges::any_of(records, [&](const RecordPtr& record) {
      return matches(*record, watch.record_class_, watch.category_);
    });
    if (wanted) {
      at = watches_.erase(at);
      watch.listed_ = false;
      ring(watch);
    } else {
      ++at;
    }
  }
}

void Tail::restart_at(Position end) {
  const std::lock_guard lock(mutex_);
  FLOTILLA_ASSERT(end.number() >= end_.load(std::memory_order_relaxed));
  records_.clear();
  bytes_ = 0;
  before_first_ = end.number();
  end_.store(end.number(), std::memory_order_release);
  for (Watch* watch : watches_) {
    watch->listed_ = false;
    ring(*watch);
  }
  watches_.clear();
}

void Tail::ring(Watch& watch) {
  watch.line_->loop->post([line = watch.line_] {
    if (line->watch != nullptr) {
      line->watch->rung_ = true;
      line->watch->bell_.set();
    }
  });
}

bool Tail::holds(Position position) const {
  const std::lock_guard lock(mutex_);
  return position.number() > before_first_;
}

std::optional<Page> Tail::read(const CategoryQuery& query) const {
  const std::lock_guard lock(mutex_);
  if (query.after.number() < before_first_) {
    return std::nullopt;
  }
  Page page;
  page.next = query.after;
  std::size_t bytes = 0;
  for (std::size_t i = index_after(query.after); i < records_.size(); ++i) {
    const RecordPtr& stored = records_[i];
    if (matches(*stored, query.record_class, query.category)) {
      bytes += stored->record.body.size();
      if (page.records.size() == query.limits.records ||
          (bytes > query.limits.bytes && !page.records.empty())) {
        return page;
      }
      page.records.push_back(stored);
    }
    page.next = stored->position;
  }
  page.at_end = true;
  return page;
}

Tail::Watch::Watch(Tail& tail, RecordClass record_class, std::string category, Position after)
    : tail_(tail),
      record_class_(record_class),
      category_(std::move(category)),
      line_(std::make_shared<Line>(net::Loop::current(), this)) {
  FLOTILLA_ASSERT(line_->loop != nullptr);
  const std::lock_guard lock(tail_.mutex_);
  rung_ = after.number() < tail_.before_first_;
  for (std::size_t i = tail_.index_after(after); i < tail_.records_.size() && !rung_; ++i) {
    rung_ = matches(*tail_.records_[i], record_class_, category_);
  }
  admitted_ = rung_ || tail_.watches_.size() < kMaxWatches;
  if (admitted_ && !rung_) {
    place_ = tail_.watches_.insert(tail_.watches_.end(), this);
    listed_ = true;
  }
}

Tail::Watch::~Watch() {
  line_->watch = nullptr;
  const std::lock_guard lock(tail_.mutex_);
  if (listed_) {
    tail_.watches_.erase(place_);
  }
}

}  // namespace flotilla::journal
