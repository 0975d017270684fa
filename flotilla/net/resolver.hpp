// Host names to addresses, without blocking the loop (c-ares; /etc/hosts, then DNS).
//
// Literal addresses and `localhost` are answered at once. Answers are kept for their TTL, at least 1 s and
// at most 30 s, so that one lookup serves a burst and a moved service is followed.
// Ownership: one resolver per loop, which must outlive it; a lookup whose awaiter is destroyed is
// forgotten. Threads: the loop's. Limits: kMostKept names are remembered (the oldest go), 16 addresses each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::net {

class Resolver {
 public:
  static constexpr std::size_t kMostKept = 1024;
  static constexpr std::size_t kMostAddresses = 16;

  static Result<std::unique_ptr<Resolver>> create(Loop& loop);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver();

  // At least one address, or: not_found (no such name), timeout, unavailable (no name server answers).
  [[nodiscard]] Task<Result<std::vector<SocketAddress>>> resolve(std::string host, std::uint16_t port,
                                                                 Instant deadline);

 private:
  class Implementation;
  explicit Resolver(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace flotilla::net
