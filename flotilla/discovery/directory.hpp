// What gateways know of discovered services: per service an immutable list of healthy instances.
//
// The registry publishes before it answers a registration, so whatever is registered is visible to the
// next request on any worker (read your own writes). Workers compare version(), one atomic load, and pull
// a list only when something changed (docs/adr/0006).
// Ownership: one per process, outlives workers and registry; lists are shared and never change.
// Threads: any. Limits: names and instances are bounded by the registry.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "flotilla/base/strong.hpp"

namespace flotilla::discovery {

struct Instance {
  std::string id;    // stable: the same registration keeps it
  std::string host;  // an address or a name to resolve
  std::uint16_t port = 0;
  std::uint32_t weight = 1;
  std::vector<std::string> tags;
  friend bool operator==(const Instance&, const Instance&) = default;
};

using InstanceList = std::vector<Instance>;  // healthy ones, in order of id

class Directory {
 public:
  // Grows with every publish that changed something.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

  // Null for a service that never was published.
  [[nodiscard]] std::shared_ptr<const InstanceList> find(const ServiceName& service) const;

  // Replaces the list; an empty list keeps the name known.
  void publish(const ServiceName& service, InstanceList instances);
  void forget(const ServiceName& service);

  // Every known service, in order of name; for reports.
  [[nodiscard]] std::vector<std::pair<ServiceName, std::shared_ptr<const InstanceList>>> all() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<ServiceName, std::shared_ptr<const InstanceList>> services_;  // guarded by mutex_
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace flotilla::discovery
