// One service as all workers share it: its configuration, its policies' state, its counters.
//
// A reload makes a new Service from the new configuration that goes on where the old one is (breaker state,
// limiter, bulkhead, counters); calls in flight keep the old one.
// Ownership: shared_ptr, held by the service tables of the workers. Threads: any; policies are lock-free
// but for a bulkhead's queue, counters have one writer each (the worker of their index).
// Limits: ServiceConfig; kMostInstances per service are used, the rest is ignored and counted.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/base/reason.hpp"
#include "flotilla/call/service_config.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"

namespace flotilla::call {

enum class FallbackKind : std::uint8_t { respond, stale, service, queue };
inline constexpr std::size_t kFallbackKinds = 4;
[[nodiscard]] constexpr std::string_view to_string(FallbackKind kind) noexcept {
  constexpr std::array<std::string_view, kFallbackKinds> names{"respond", "stale", "service", "queue"};
  return names[static_cast<std::size_t>(kind)];
}

// What one worker counts about one service.
struct alignas(128) ServiceCounters {
  Counter calls;                               // logical calls
  Counter attempts;                            // requests that were sent
  Counter successes;                           // answers below 500
  Counter failures;                            // 5xx, transport failures, timeouts
  Counter cancelled;                           // the caller left
  std::array<Counter, kReasonCount> refusals;  // by reason: refused by a policy, or failed without an answer
  Counter retries;
  std::array<Counter, 8> retries_suppressed;      // by resilience::GiveUp
  std::array<Counter, 5> breaker_results;         // by resilience::Counted
  std::array<Counter, kFallbackKinds> fallbacks;  // by FallbackKind
  Counter connections_opened;
  Counter pipelined;  // requests that were free to share a connection
  Counter displaced;  // of them, those whose connection another request ended: sent again, alone
  Counter ejections;
  Counter bulkhead_waited;
  Histogram latency;  // attempt: sent to head of the answer
};

class ServiceMetrics {
 public:
  explicit ServiceMetrics(std::uint32_t workers) : shards_(workers) {}
  [[nodiscard]] ServiceCounters& of(std::uint32_t worker) noexcept { return shards_[worker]; }
  [[nodiscard]] const std::vector<ServiceCounters>& shards() const noexcept { return shards_; }

 private:
  std::vector<ServiceCounters> shards_;
};

class Service {
 public:
  static constexpr std::size_t kMostInstances = 1024;

  // `old`, if any, is what this one continues.
  [[nodiscard]] static Result<std::shared_ptr<Service>> create(const ServiceConfig& config,
                                                               std::uint32_t workers, Instant now,
                                                               std::uint64_t seed, const Service* old);

  [[nodiscard]] const ServiceConfig& config() const noexcept { return config_; }
  [[nodiscard]] const ServiceName& name() const noexcept { return config_.name; }

  // Null where the file names no such policy.
  [[nodiscard]] resilience::CircuitBreaker* breaker() const noexcept { return breaker_.get(); }
  [[nodiscard]] resilience::Bulkhead* bulkhead() const noexcept { return bulkhead_.get(); }
  [[nodiscard]] resilience::RateLimiter* limiter() const noexcept { return limiter_.get(); }
  [[nodiscard]] resilience::OutlierDetector* outliers() const noexcept { return outliers_.get(); }
  [[nodiscard]] resilience::RetryBudget& budget() const noexcept { return *budget_; }

  // The state of an instance that all workers share; the same object for the same key (id and address).
  [[nodiscard]] std::shared_ptr<resilience::OutlierInstance> outlier_of(const std::string& key);

  // Whether the instance at that address passes the check that the file asks for, true until one failed; the
  // same object for the same address, also in the services that continue this one. Null without such a check.
  using Healthy = std::shared_ptr<std::atomic<bool>>;
  [[nodiscard]] Healthy healthy_at(std::string_view host, std::uint16_t port);

  [[nodiscard]] ServiceMetrics& metrics() const noexcept { return *metrics_; }

 private:
  explicit Service(const ServiceConfig& config) : config_(config) {}
  using OutlierMap = std::unordered_map<std::string, std::weak_ptr<resilience::OutlierInstance>>;

  ServiceConfig config_;
  // Shared with the service this one continues, where the configuration of the policy is the same.
  std::shared_ptr<resilience::CircuitBreaker> breaker_;
  std::shared_ptr<resilience::Bulkhead> bulkhead_;
  std::shared_ptr<resilience::RateLimiter> limiter_;
  std::shared_ptr<resilience::OutlierDetector> outliers_;
  std::shared_ptr<resilience::RetryBudget> budget_;
  std::shared_ptr<ServiceMetrics> metrics_;
  struct HealthBoard {
    std::mutex mutex;
    std::unordered_map<std::string, Healthy> at;  // by host:port
  };
  std::shared_ptr<HealthBoard> health_;  // null: no check
  std::mutex outlier_mutex_;
  OutlierMap outlier_instances_;  // guarded by outlier_mutex_
};

}  // namespace flotilla::call
