#include "flotilla/call/service.hpp"

#include <fmt/format.h>

namespace flotilla::call {
namespace {

// A policy whose parameters did not change keeps its state by being kept.
bool same(const std::optional<resilience::RateLimit>& a, const std::optional<resilience::RateLimit>& b) {
  return a.has_value() == b.has_value() &&
         (!a || (a->count == b->count && a->period == b->period && a->burst == b->burst));
}

Error named(const ServiceName& name, const Error& error) {
  return {error.code, fmt::format("service '{}': {}", name.value(), error.message)};
}

template <class T>
Result<> keep(std::shared_ptr<T>& place, Result<std::unique_ptr<T>> made) {
  if (!made) {
    return std::unexpected(made.error());
  }
  place = std::move(*made);
  return {};
}

}  // namespace

Result<std::shared_ptr<Service>> Service::create(const ServiceConfig& config, std::uint32_t workers,
                                                 Instant now, std::uint64_t seed, const Service* old) {
  using namespace resilience;
  const std::shared_ptr<Service> service(new Service(config));
  Result<> made;
  if (config.circuit_breaker) {
    made = keep(service->breaker_,
                old != nullptr && old->breaker_
                    ? CircuitBreaker::create_successor(*old->breaker_, *config.circuit_breaker, now)
                    : CircuitBreaker::create(*config.circuit_breaker, now, seed));
  }
  if (made && config.bulkhead) {
    if (old != nullptr && old->bulkhead_) {
      service->bulkhead_ = old->bulkhead_;  // slots of calls in flight still count
    } else {
      made = keep(service->bulkhead_, Bulkhead::create(*config.bulkhead));
    }
  }
  if (made && config.rate_limit) {
    if (old != nullptr && same(old->config_.rate_limit, config.rate_limit)) {
      service->limiter_ = old->limiter_;
    } else {
      made = keep(service->limiter_, RateLimiter::create(*config.rate_limit));
    }
  }
  if (made && config.outlier) {
    made = keep(service->outliers_, OutlierDetector::create(*config.outlier));
  }
  if (made) {
    made = keep(service->budget_, RetryBudget::create(config.retry_budget, workers));
  }
  if (!made) {
    return std::unexpected(named(config.name, made.error()));
  }
  if (config.health) {
    service->health_ = old != nullptr && old->health_ ? old->health_ : std::make_shared<HealthBoard>();
  }
  service->metrics_ = old != nullptr ? old->metrics_ : std::make_shared<ServiceMetrics>(workers);
  return service;
}

Service::Healthy Service::healthy_at(std::string_view host, std::uint16_t port) {
  if (health_ == nullptr) {
    return nullptr;
  }
  const std::lock_guard lock(health_->mutex);
  auto& at = health_->at;
  if (at.size() > 2 * kMostInstances) {
    std::erase_if(at, [](const auto& entry) { return entry.second.use_count() == 1; });
  }
  Healthy& healthy = at[fmt::format("{}:{}", host, port)];
  if (healthy == nullptr) {
    healthy = std::make_shared<std::atomic<bool>>(true);
  }
  return healthy;
}

std::shared_ptr<resilience::OutlierInstance> Service::outlier_of(const std::string& key) {
  const std::lock_guard lock(outlier_mutex_);
  auto& known = outlier_instances_[key];
  auto instance = known.lock();
  if (!instance) {
    instance = std::make_shared<resilience::OutlierInstance>();
    known = instance;
  }
  if (outlier_instances_.size() > 2 * kMostInstances) {
    std::erase_if(outlier_instances_, [](const auto& entry) { return entry.second.expired(); });
  }
  return instance;
}

}  // namespace flotilla::call
