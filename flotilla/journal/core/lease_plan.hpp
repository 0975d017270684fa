// Which shards of a shared journal this process takes, keeps and gives back: decisions only.
//
// For: the store's ownership thread, which carries them out in rounds. A round is one request to the store
// (renew these, take those, release that) and its answer, the table as it stands afterwards. The store's own
// clock says which leases and processes have expired; this process's clock says how long it may act on one:
// from before the request that got it was sent, so it always stops before the store gives the shard away.
//
//   fair share   shards / live processes, rounded up for taking, down for what another may miss. Whoever has
//                less takes free shards; whoever has more gives back, a few each round and no more than the
//                others lack.
//   lapsed       a lease whose time is over here is lost, whatever an answer says that comes later; it is
//                taken anew, under a higher epoch.
//   leaving      a shard that is given back stays renewed until left(): its owner first finishes with it.
//
// Ownership: a plain object. Threads: one. Limits: kMaxGiveBack shards leave at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::journal {

inline constexpr Duration kLeaseTime = std::chrono::seconds(10);
inline constexpr Duration kLeaseRenewal = std::chrono::seconds(3);
// The pause after a round that failed, and while shards are awaited.
inline constexpr Duration kLeaseRetry = std::chrono::milliseconds(500);
inline constexpr std::size_t kMaxGiveBack = 8;

// The right to write a shard.
struct Lease {
  std::uint32_t shard = 0;
  std::uint64_t epoch = 0;
  Instant until;  // on this process's clock
  friend bool operator==(const Lease&, const Lease&) = default;
};

struct ShardEpoch {
  std::uint32_t shard = 0;
  std::uint64_t epoch = 0;
  friend bool operator==(const ShardEpoch&, const ShardEpoch&) = default;
};

// What the store shall do in one transaction, in this order, besides noting that the process is alive.
struct LeaseRequest {
  std::vector<ShardEpoch> release;  // no owner any more, where owner and epoch are still these
  std::vector<ShardEpoch> renew;    // a whole kLeaseTime from now, where owner and epoch are still these
  std::vector<std::uint32_t> take;  // for us under the next epoch, where it is free or in our own name
  bool leave = false;               // the process is not alive any more; `release` has all it had
};

// The store's answer: the table after the request was carried out.
struct LeaseReport {
  struct Row {
    std::string owner;  // a process; empty: nobody
    std::uint64_t epoch = 0;
    bool live = false;  // its time is not over
  };
  std::vector<Row> shards;             // by number
  std::vector<std::string> processes;  // those that are alive, this one among them
};

class LeasePlan {
 public:
  LeasePlan(std::string process, std::uint32_t shards, Random random);

  // The next round is due then.
  [[nodiscard]] Instant next_round() const noexcept { return next_round_; }
  // Begins it. One round at a time: answered() or failed() comes before the next.
  [[nodiscard]] LeaseRequest begin_round(Instant now);

  struct Changes {
    std::vector<Lease> gained;
    std::vector<std::uint32_t> lost;     // stop at once
    std::vector<std::uint32_t> leaving;  // finish, then left()
  };
  [[nodiscard]] Changes answered(Instant now, const LeaseReport& report);
  // The store did not answer, or refused: what is held stays held until it lapses.
  [[nodiscard]] Changes failed(Instant now);
  // Gives up what has lapsed. Call it at next_lapse() as well, when no answer comes.
  [[nodiscard]] Changes lapse(Instant now);
  [[nodiscard]] Instant next_lapse() const noexcept;

  // The owner has finished with it: the next round, which is due at once, releases it.
  void left(std::uint32_t shard);
  // Everything leaves, nothing is taken any more.
  [[nodiscard]] Changes leave();
  // After leave(): nothing is held any more, and a round has said so.
  [[nodiscard]] bool gone() const noexcept { return gone_; }

  [[nodiscard]] std::optional<Lease> lease(std::uint32_t shard) const;
  [[nodiscard]] std::size_t held() const noexcept;

 private:
  enum class State : std::uint8_t { none, held, leaving, left };
  enum class Asked : std::uint8_t { nothing, release, renew, take };
  struct Slot {
    State state = State::none;
    Asked asked = Asked::nothing;  // in the round under way
    std::uint64_t epoch = 0;
    Instant until;
  };

  void settle(std::uint32_t shard, Asked asked, const LeaseReport::Row& row, Changes& changes);
  void plan_taking(const LeaseReport& report);
  void plan_giving(const LeaseReport& report, Changes& changes);
  [[nodiscard]] bool is_free(std::uint32_t shard, const LeaseReport::Row& row) const noexcept;

  std::string process_;
  std::vector<Slot> slots_;
  Random random_;
  std::vector<std::uint32_t> wanted_;  // to take in the next round
  Instant next_round_;
  Instant sent_;
  bool in_round_ = false;
  bool leaving_ = false;
  bool gone_ = false;
};

}  // namespace flotilla::journal
