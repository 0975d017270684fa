#include "flotilla/saga/core/lock_table.hpp"

#include <algorithm>

namespace flotilla::saga {

bool LockTable::claim(SagaId saga, std::span<const std::string> keys) {
  const auto [place, fresh] = keys_of_.try_emplace(saga);
  if (fresh) {
    place->second = {.keys = {keys.begin(), keys.end()}, .order = next_order_++};
    for (const std::string& key : keys) {
      queues_[key].push_back(saga);
    }
  }
  return holds(saga);
}

bool LockTable::is_free(std::span<const std::string> keys) const {
  return std::ranges::none_of(keys, [&](const std::string& key) { return queues_.contains(key); });
}

bool LockTable::holds(SagaId saga) const {
  const auto found = keys_of_.find(saga);
  return found != keys_of_.end() && std::ranges::all_of(found->second.keys, [&](const std::string& key) {
           return queues_.at(key).front() == saga;
         });
}

std::vector<SagaId> LockTable::release(SagaId saga) {
  const auto found = keys_of_.find(saga);
  if (found == keys_of_.end()) {
    return {};
  }
  const Claimed claimed = std::move(found->second);
  keys_of_.erase(found);
  std::vector<SagaId> next;
  for (const std::string& key : claimed.keys) {
    std::deque<SagaId>& queue = queues_.at(key);
    const bool was_first = queue.front() == saga;
    if (was_first) {
      queue.pop_front();  // as long as the queue may be, this is not
    } else {
      std::erase(queue, saga);
    }
    if (queue.empty()) {
      queues_.erase(key);
    } else if (was_first && std::ranges::find(next, queue.front()) == next.end()) {
      next.push_back(queue.front());
    }
  }
  std::erase_if(next, [&](const SagaId& each) { return !holds(each); });
  std::ranges::sort(next, {}, [&](const SagaId& each) { return keys_of_.at(each).order; });
  return next;
}

}  // namespace flotilla::saga
