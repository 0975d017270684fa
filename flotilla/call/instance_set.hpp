// The instances of one service as one worker sees them: connections, load, and which to use next.
//
// Refreshed from the Directory when its version moved; connections and load of an instance that stays are
// kept. Fixed addresses (`url`, `urls`) are instances too.
// Ownership: shared by the configuration snapshots of one worker that name the service; an instance that
// left the list lives on until its last call ends. Threads: the worker's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/call/service.hpp"
#include "flotilla/discovery/directory.hpp"
#include "flotilla/http/connection_pool.hpp"

namespace flotilla::call {

struct WorkerInstance {
  std::string id;
  std::string host;
  std::uint16_t port = 0;
  std::string authority;    // for Host: without the port if it is 80
  std::string path_prefix;  // of a fixed url
  std::uint32_t weight = 1;
  std::optional<net::SocketAddress> literal;  // nothing: `host` is a name to resolve
  std::unique_ptr<http::ConnectionPool> pool;
  std::shared_ptr<resilience::OutlierInstance> outlier;
  Service::Healthy healthy;  // null: the file asks for no check
  std::uint32_t in_flight = 0;
  bool listed = true;
  bool unreachable = false;  // the last connect failed
  Instant avoid_until;       // while unreachable, only one call in kConnectAgain goes there
};

// A call's claim on an instance.
class InstanceUse {
 public:
  InstanceUse() = default;
  explicit InstanceUse(WorkerInstance& instance) noexcept : instance_(&instance) { ++instance.in_flight; }
  InstanceUse(InstanceUse&& other) noexcept : instance_(std::exchange(other.instance_, nullptr)) {}
  InstanceUse& operator=(InstanceUse&& other) noexcept {
    std::swap(instance_, other.instance_);
    return *this;
  }
  ~InstanceUse() {
    if (instance_ != nullptr && --instance_->in_flight == 0 && !instance_->listed) {
      delete instance_;  // it left the list while this call was going on
    }
  }
  WorkerInstance* operator->() const noexcept { return instance_; }
  WorkerInstance& operator*() const noexcept { return *instance_; }
  explicit operator bool() const noexcept { return instance_ != nullptr; }

 private:
  WorkerInstance* instance_ = nullptr;
};

class InstanceSet {
 public:
  // An instance that does not accept connections is avoided while there is another: it has the fewest calls
  // in flight, so least-request would send it most of them, until health checks or outlier ejection notice.
  static constexpr Duration kConnectAgain = std::chrono::seconds(1);

  InstanceSet(net::Loop& loop, const discovery::Directory& directory,
              http::ObjectPool<http::detail::Answer>& answers, std::uint32_t worker, std::uint64_t seed);
  InstanceSet(const InstanceSet&) = delete;
  InstanceSet& operator=(const InstanceSet&) = delete;
  ~InstanceSet();

  // The service whose configuration counts from now on (after a reload).
  void follow(Service& service);

  // An instance for the next attempt, none whose id is in `tried` if there is another; nothing if there are
  // none.
  [[nodiscard]] InstanceUse pick(Instant now, std::span<const std::string> tried);
  // Whether a connection to `instance` was made.
  void report_connect(WorkerInstance& instance, bool connected, Instant now) noexcept;
  // Reports how an attempt on `instance` ended; may eject it.
  void report(WorkerInstance& instance, bool failed, Instant now);

  // A named instance was resolved: its connections go to `address` from now on.
  void use_address(WorkerInstance& instance, const net::SocketAddress& address);

  [[nodiscard]] std::size_t size();
  void sweep() noexcept;  // drops connections that are idle for too long

 private:
  void refresh();
  void add(std::string id, std::string host, std::uint16_t port, std::uint32_t weight, std::string prefix,
           std::vector<std::unique_ptr<WorkerInstance>>& old);

  net::Loop& loop_;
  const discovery::Directory& directory_;
  http::ObjectPool<http::detail::Answer>& answers_;
  std::uint32_t worker_;
  Service* service_ = nullptr;
  resilience::Balancer balancer_;
  Random random_;
  std::uint64_t seen_ = 0;  // the directory's version; 0: refresh
  std::shared_ptr<const discovery::InstanceList> list_;
  std::vector<std::unique_ptr<WorkerInstance>> instances_;
  std::vector<resilience::OutlierInstance*> outlier_pool_;
};

}  // namespace flotilla::call
