// Forgets the replies that commands have kept under their keys, once they were kept long enough.
//
// For: `app` and embedded.hpp. A key's claim ends by itself; here the reply goes, a while later, so that who
// has just found the claim still finds the reply. Ownership: borrows the journal. Threads: one loop's.
// Limits: kForgottenAtOnce streams a piece, with pauses, because others append too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

class ReplyRetention {
 public:
  explicit ReplyRetention(journal::Journal& journal) noexcept : journal_(journal) {}

  // Those of a command that is not named any more stay until it is named again.
  void replace(const std::vector<AggregatePtr>& aggregates);
  // One piece of work; how many replies it has forgotten. 0: there are no more for now.
  [[nodiscard]] net::Task<Result<std::size_t>> forget(WallTime now);
  [[nodiscard]] net::Task<> tend(net::Loop& loop);
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_.read(); }

 private:
  journal::Journal& journal_;
  std::map<std::string, Duration> keep_;  // by command
  Counter forgotten_;
};

}  // namespace flotilla::cqrs
