#include "flotilla/call/instance_set.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace flotilla::call {

InstanceSet::InstanceSet(net::Loop& loop, const discovery::Directory& directory,
                         http::ObjectPool<http::detail::Answer>& answers, std::uint32_t worker,
                         std::uint64_t seed)
    : loop_(loop),
      directory_(directory),
      answers_(answers),
      worker_(worker),
      balancer_(resilience::Balance::least_request, worker),
      random_(seed) {}

InstanceSet::~InstanceSet() {
  for (auto& instance : instances_) {
    if (instance->in_flight > 0) {
      instance->listed = false;
      (void)instance.release();  // its last InstanceUse deletes it
    }
  }
}

void InstanceSet::follow(Service& service) {
  service_ = &service;
  balancer_ = resilience::Balancer(service.config().balance, worker_);
  list_.reset();
  seen_ = 0;
}

void InstanceSet::add(std::string id, std::string host, std::uint16_t port, std::uint32_t weight,
                      std::string prefix, std::vector<std::unique_ptr<WorkerInstance>>& old) {
  const auto stays = std::ranges::find_if(old, [&](const auto& instance) {
    return instance && instance->id == id && instance->host == host && instance->port == port;
  });
  std::unique_ptr<WorkerInstance> instance;
  if (stays != old.end()) {
    instance = std::move(*stays);
  } else {
    instance = std::make_unique<WorkerInstance>();
    const bool ipv6 = host.find(':') != std::string::npos;
    instance->authority = ipv6 ? fmt::format("[{}]", host) : host;
    if (port != 80) {
      instance->authority += fmt::format(":{}", port);
    }
    if (auto literal = net::SocketAddress::from_ip(host == "localhost" ? "127.0.0.1" : host, port)) {
      instance->literal = *literal;
      instance->pool = std::make_unique<http::ConnectionPool>(loop_, *literal, answers_);
    }
    instance->id = std::move(id);
    instance->host = std::move(host);
    instance->port = port;
  }
  instance->weight = weight;
  instance->path_prefix = std::move(prefix);
  instance->healthy = service_->healthy_at(instance->host, instance->port);
  instance->outlier = service_->outliers() != nullptr
                          ? service_->outlier_of(instance->id + "@" + instance->authority)
                          : nullptr;
  instances_.push_back(std::move(instance));
}

void InstanceSet::refresh() {
  const std::uint64_t version = directory_.version();
  auto list = directory_.find(ServiceName(to_lower(service_->name().value())));  // names have no case there
  const bool first = seen_ == 0;
  seen_ = version;
  if (!first && list == list_) {
    return;
  }
  list_ = std::move(list);
  std::vector<std::unique_ptr<WorkerInstance>> old = std::move(instances_);
  instances_.clear();
  for (const FixedUrl& url : service_->config().urls) {
    add(fmt::format("{}:{}", url.host, url.port), url.host, url.port, 1, url.path_prefix, old);
  }
  if (service_->config().urls.empty() && list_ != nullptr) {
    for (const discovery::Instance& instance : *list_) {
      if (instances_.size() >= Service::kMostInstances) {
        break;
      }
      add(instance.id, instance.host, instance.port, instance.weight, {}, old);
    }
  }
  for (auto& gone : old) {
    if (gone && gone->in_flight > 0) {
      gone->listed = false;
      (void)gone.release();  // its last InstanceUse deletes it
    }
  }
  outlier_pool_.clear();
  for (const auto& instance : instances_) {
    if (instance->outlier) {
      outlier_pool_.push_back(instance->outlier.get());
    }
  }
}

InstanceUse InstanceSet::pick(Instant now, std::span<const std::string> tried) {
  if (seen_ != directory_.version()) {
    refresh();
  }
  if (instances_.size() == 1) {
    return InstanceUse(*instances_.front());
  }
  struct View {
    const std::vector<std::unique_ptr<WorkerInstance>>& instances;
    Instant now;
    [[nodiscard]] std::size_t size() const noexcept { return instances.size(); }
    [[nodiscard]] resilience::InstanceLoad load(std::uint32_t i) const noexcept {
      const WorkerInstance& instance = *instances[i];
      const bool ejected = instance.outlier && instance.outlier->ejected(now);
      const bool avoided = instance.unreachable && now < instance.avoid_until;
      const bool healthy = !instance.healthy || instance.healthy->load(std::memory_order_relaxed);
      return {instance.in_flight, instance.weight, healthy && !ejected && !avoided};
    }
  } const view{instances_, now};
  std::array<std::uint32_t, 16> tried_indices{};
  std::size_t count = 0;
  for (std::uint32_t i = 0; !tried.empty() && i < instances_.size() && count < tried_indices.size(); ++i) {
    if (std::ranges::find(tried, instances_[i]->id) != tried.end()) {
      tried_indices[count++] = i;
    }
  }
  const auto index = balancer_.pick(view, random_, std::span(tried_indices.data(), count));
  if (!index) {
    return {};
  }
  WorkerInstance& picked = *instances_[*index];
  if (picked.unreachable) {
    picked.avoid_until = saturating_add(now, kConnectAgain);  // this call finds out for all
  }
  return InstanceUse(picked);
}

void InstanceSet::report_connect(WorkerInstance& instance, bool connected, Instant now) noexcept {
  instance.unreachable = !connected;
  instance.avoid_until = saturating_add(now, kConnectAgain);
}

void InstanceSet::report(WorkerInstance& instance, bool failed, Instant now) {
  if (!instance.outlier || !instance.listed || service_->outliers() == nullptr) {
    return;
  }
  if (!failed) {
    service_->outliers()->success(*instance.outlier);
  } else if (service_->outliers()->failure(*instance.outlier, outlier_pool_, now)) {
    service_->metrics().of(worker_).ejections.add();
  }
}

void InstanceSet::use_address(WorkerInstance& instance, const net::SocketAddress& address) {
  if (!instance.pool || instance.pool->address() != address) {
    instance.pool = std::make_unique<http::ConnectionPool>(loop_, address, answers_);
  }
}

std::size_t InstanceSet::size() {
  if (seen_ != directory_.version()) {
    refresh();
  }
  return instances_.size();
}

void InstanceSet::sweep() noexcept {
  for (const auto& instance : instances_) {
    if (instance->pool) {
      instance->pool->sweep();
    }
  }
}

}  // namespace flotilla::call
