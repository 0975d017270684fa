#include "flotilla/discovery/directory.hpp"

#include <algorithm>

namespace flotilla::discovery {

std::shared_ptr<const InstanceList> Directory::find(const ServiceName& service) const {
  const std::lock_guard lock(mutex_);
  const auto found = services_.find(service);
  return found == services_.end() ? nullptr : found->second;
}

void Directory::publish(const ServiceName& service, InstanceList instances) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const InstanceList>& current = services_[service];
  if (current != nullptr && *current == instances) {
    return;
  }
  current = std::make_shared<const InstanceList>(std::move(instances));
  version_.fetch_add(1, std::memory_order_release);
}

void Directory::forget(const ServiceName& service) {
  const std::lock_guard lock(mutex_);
  if (services_.erase(service) > 0) {
    version_.fetch_add(1, std::memory_order_release);
  }
}

std::vector<std::pair<ServiceName, std::shared_ptr<const InstanceList>>> Directory::all() const {
  std::vector<std::pair<ServiceName, std::shared_ptr<const InstanceList>>> list;
  {
    const std::lock_guard lock(mutex_);
    list.assign(services_.begin(), services_.end());
  }
  std::ranges::sort(list, {}, [](const auto& entry) { return entry.first; });
  return list;
}

}  // namespace flotilla::discovery
