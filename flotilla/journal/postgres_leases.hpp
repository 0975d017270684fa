// The thread that holds the leases of a process in the shared store: it carries out what the plan decides.
//
// For: PostgresJournal. A round (core/lease_plan.hpp) is one call of the server's lease_round. Between rounds
// it
//   looks how far the shards of others have come, for those who wait for their records.
// Failure: a server that does not answer keeps what is held until it lapses; each call ends in bounded time.
// Ownership: owns its thread and connection; destroying it gives the leases back. Threads: release_all(),
//   health() from any. Limits: kShards.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "flotilla/journal/core/lease_plan.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/lease_table.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::journal::pg {

class LeaseKeeper {
 public:
  struct Options {
    const Address& store;
    std::string process;  // unlike any other that ever was
    std::string address;  // where the others reach this process; empty: nowhere
    std::uint64_t seed = 0;
    Millis look_every{100};
  };
  // Called on its thread, before the table tells of it.
  using Moved = std::function<void(Position)>;

  // Called on its thread: records were taken out of the store before their time.
  using TakenOut = std::function<void()>;

  LeaseKeeper(Options options, LeaseTable& table, Moved moved, TakenOut taken_out);
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;
  ~LeaseKeeper();

  // Waits until the store has been asked for what is free, at most `patience`.
  void wait_for_first(Duration patience);
  // As Ownership's.
  void release_all(Duration patience);
  // Why the last round failed; empty: it did not.
  [[nodiscard]] std::string trouble() const;

 private:
  void run();
  void round(Instant now);
  void look();
  void apply(const LeasePlan::Changes& changes, const std::map<std::uint32_t, std::uint64_t>& positions);
  void leave(std::uint32_t shard);
  void let_go();
  [[nodiscard]] Answer ask(const std::string& sql, const Arguments& arguments);
  void note(std::string trouble);
  void note_taken_out(std::int64_t times);

  const Options options_;
  LeaseTable& table_;
  const Moved moved_;
  const TakenOut taken_out_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable told_;
  bool leaving_ = false;  // guarded by mutex_, as the rest
  bool stopping_ = false;
  bool gone_ = false;
  int rounds_ = 0;
  std::string trouble_;

  // The thread's own.
  LeasePlan plan_;
  std::unique_ptr<Connection> connection_;
  std::map<std::uint32_t, std::weak_ptr<void>> leaving_shards_;  // whose work has not stopped
  Instant next_look_;
  int looks_passed_over_ = 0;
  std::optional<std::int64_t> times_taken_out_;
  bool taken_out_twice_ = false;

  std::thread thread_;
};

}  // namespace flotilla::journal::pg
