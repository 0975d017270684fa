// Health checks that the file asks for (`health: { path, every }` of a service): of fixed addresses, which
// never register, and of discovered instances, beside whatever checks they registered.
//
// Each target is a check of the same state machine as a registered one; its first result is told, and each
// change. Until then it counts as healthy: it was put there by the operator, or passes its own checks. The
// guard against link-local and control ports does not apply: the operator's file is trusted. Ownership:
// borrows loop and resolver; destroy it before them. Threads: the loop's. Limits: one probe at a time for
// each target; the caller bounds the targets.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::discovery {

struct HealthTarget {
  std::string service;
  std::string host;
  std::uint16_t port = 0;
  std::string path = "/";
  Duration every = std::chrono::seconds{10};  // above zero
  Duration timeout = std::chrono::seconds{2};
  friend bool operator==(const HealthTarget&, const HealthTarget&) = default;
};

class InstanceHealth {
 public:
  // On the loop's thread; must not call back. `detail` says what was seen.
  using Changed = std::function<void(const HealthTarget& target, bool healthy, const std::string& detail)>;

  InstanceHealth(net::Loop& loop, net::Resolver& resolver, Changed changed, std::uint64_t seed);

  // Watches these from now on: what stays goes on, what is gone is forgotten.
  void follow(const std::vector<HealthTarget>& targets);

 private:
  struct Watch {
    HealthTarget target;
    std::optional<bool> healthy;  // nothing before the first result
    net::Scope task;
  };
  [[nodiscard]] net::Task<> watch(Watch& watched, std::uint64_t seed);

  net::Loop& loop_;
  net::Resolver& resolver_;
  Changed changed_;
  Random seeds_;
  std::list<Watch> watches_;  // their addresses stay
};

}  // namespace flotilla::discovery
