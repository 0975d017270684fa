// The leases a process holds, for any thread to ask, and the one who is told when that changes.
//
// For: every store of the journal. A store of one owner fills it once; a shared one as leases come and go.
// Ownership: part of a Journal. Threads: as Ownership says; gain(), renew(), lose(), set_owners() belong to
// one
//   thread. Limits: kMaxShards.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flotilla/journal/core/shard.hpp"
#include "flotilla/journal/ownership.hpp"

namespace flotilla::journal {

class LeaseTable final : public Ownership {
 public:
  using GiveBack = std::function<void(Duration patience)>;

  // `give_back`: what release_all() has the store do; without one it only tells the watcher.
  explicit LeaseTable(std::uint32_t shards, GiveBack give_back = {});

  [[nodiscard]] std::optional<Lease> lease(std::uint32_t shard) const noexcept override;
  void watch(Watcher watcher) override;
  [[nodiscard]] Result<std::string> owner_address(std::uint32_t shard) const override;
  void release_all(Duration patience) override;

  void gain(const Lease& lease);
  // Where it is held.
  void renew(std::uint32_t shard, Instant until) noexcept;
  // What is returned has gone once nobody holds on to the shard any more. Nothing happens where it is not
  // held.
  std::weak_ptr<void> lose(std::uint32_t shard);
  // Whether it was gained and not lost since, though its time may be over.
  [[nodiscard]] bool is_held(std::uint32_t shard) const noexcept;
  // The last epoch that was gained; 0 before the first.
  [[nodiscard]] std::uint64_t epoch(std::uint32_t shard) const noexcept;
  // Addresses by shard; empty where nobody owns it or it is not known.
  void set_owners(std::vector<std::string> addresses);

 private:
  struct Slot {
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<Instant::rep> until{0};  // 0: not held
  };

  const std::uint32_t shards_;
  GiveBack give_back_;
  std::array<Slot, kMaxShards> slots_;
  std::mutex watching_;  // held while the watcher is called
  Watcher watcher_;      // guarded by watching_
  mutable std::mutex mutex_;
  std::vector<std::string> owners_;  // guarded by mutex_
};

}  // namespace flotilla::journal
