#include "flotilla/cqrs/core/answer_cache.hpp"

#include <algorithm>
#include <utility>

namespace flotilla::cqrs {

std::optional<AnswerBody> AnswerCache::find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->body;
}

void AnswerCache::erase(std::list<Entry>::iterator entry) {
  bytes_ -= cost(*entry);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void AnswerCache::put(std::string_view key, AnswerBody body, std::uint64_t position) {
  if (position < changed_at_) {
    return;
  }
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    erase(found->second);
  }
  Entry entry{.key = std::string(key), .body = std::move(body), .copied = {}};
  const std::size_t bytes = cost(entry);
  if (bytes > most_ / 8) {
    return;
  }
  while (bytes_ + bytes > most_) {
    erase(std::prev(entries_.end()));
  }
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
  bytes_ += bytes;
}

bool AnswerCache::is_copy_due(std::string_view key, Instant now, Duration every) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || !found->second->body || now < saturating_add(found->second->copied, every)) {
    return false;
  }
  found->second->copied = now;
  return true;
}

void AnswerCache::changed(std::string_view key, std::uint64_t position) {
  changed_at_ = std::max(changed_at_, position);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    erase(found->second);
  }
}

}  // namespace flotilla::cqrs
