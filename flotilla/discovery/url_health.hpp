// Health checks of services at fixed addresses (`url: ...` with `health: { path, every }`), which never
// register.
//
// Each target is a check of the same state machine as a registered one; a change of its health is told once.
// A target counts as healthy until a probe fails: a fixed address was put there by the operator.
// The guard against link-local and control ports does not apply: the operator's file is trusted.
// Ownership: borrows loop and resolver; destroy it before them, on the loop's thread. It begins when the
// loop runs. Threads: the loop's. Limits: one probe at a time for each target; the caller bounds the targets.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flotilla/net/loop.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::discovery {

struct UrlHealthTarget {
  std::string service;
  std::string host;
  std::uint16_t port = 0;
  std::string path = "/";
  Duration every = std::chrono::seconds{10};  // above zero
  Duration timeout = std::chrono::seconds{2};
};

class UrlHealth {
 public:
  // On the loop's thread; must not destroy the UrlHealth. `detail` says what was seen.
  using Changed = std::function<void(const UrlHealthTarget& target, bool healthy, const std::string& detail)>;

  UrlHealth(net::Loop& loop, net::Resolver& resolver, const std::vector<UrlHealthTarget>& targets,
            Changed changed, std::uint64_t seed);

 private:
  [[nodiscard]] net::Task<> watch(UrlHealthTarget target, std::uint64_t seed);

  net::Loop& loop_;
  net::Resolver& resolver_;
  Changed changed_;
  net::Scope tasks_;
};

}  // namespace flotilla::discovery
