#include "flotilla/call/stale_cache.hpp"

namespace flotilla::call {

void StaleCache::store(std::string key, http::Response response, Instant now) {
  if (response.body.size() > kLongestBody) {
    return;
  }
  if (const auto known = index_.find(key); known != index_.end()) {
    const auto entry = known->second;
    index_.erase(known);
    entries_.erase(entry);
  } else if (entries_.size() >= kMostEntries) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front(Entry{std::move(key), std::move(response), now});
  index_.emplace(entries_.front().key, entries_.begin());
}

const StaleCache::Entry* StaleCache::find(const std::string& key, Duration longest, Instant now) const {
  const auto known = index_.find(key);
  if (known == index_.end() || now - known->second->stored > longest) {
    return nullptr;
  }
  return &*known->second;
}

}  // namespace flotilla::call
