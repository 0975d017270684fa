// The decisions about the copies of one view in Redis: what is written there, when, and what is to be
// trusted after a loss.
//
// For: the shell that keeps the copies, and the simulator. A copy is the whole answer of a key with a life
// of its own; the view itself is elsewhere and durable, so losing copies costs time. What must hold: a copy
// never goes back (C1); once all is written, a copy is what the view answers, and nothing that it does not
// (C2); where Redis says up to where its copies are complete, they are (C3). Every batch carries its
// claim, and Redis takes it only while no later claim was made, so whoever slept, and what an old
// connection still had under way, changes nothing. A key is read and written by one hand at a time, in order.
// When it is not known what is old, all copies are looked up and all keys copied anew (a sweep), beside
// what changes meanwhile.
// Ownership: owns the keys that wait and answers under way. Threads: one. Limits: CopyLimits; where more
// keys wait, the others are forgotten and a sweep follows.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/cqrs/core/copy_counters.hpp"
#include "flotilla/cqrs/core/copy_faults.hpp"
#include "flotilla/cqrs/core/copy_io.hpp"

namespace flotilla::cqrs {

struct CopyLimits {
  std::size_t keys = 16'384;  // that wait or are under way
  std::size_t loads = 16;     // at once
  std::size_t batch_keys = 64;
  std::size_t batch_bytes = std::size_t{256} << 10;  // one copy always fits
  std::size_t batches = 8;                           // that are not answered
};

class CopyEngine {
 public:
  // `ttl`: the life of a copy, at most; up to a tenth less. `counters` outlives it.
  CopyEngine(Duration ttl, const CopyLimits& limits, CopyCounters& counters, std::uint64_t seed,
             CopyFault planted = CopyFault::none);

  // The first input is a Served. What is larger than kMaxCopy is to be given as too large.
  static constexpr std::size_t kMaxCopy = std::size_t{1} << 20;
  [[nodiscard]] CopyEffects step(CopyInput in);

  // Keys that wait or are under way.
  [[nodiscard]] std::size_t pending() const noexcept { return entries_.size(); }
  // All that the view was served with is in Redis, and Redis knows it.
  [[nodiscard]] bool is_complete() const noexcept {
    return connected_ && entries_.empty() && sent_.empty() && generation_ != 0 &&
           marked_generation_ == generation_ && marked_position_ == position_;
  }
  [[nodiscard]] bool is_connected() const noexcept { return connected_; }
  [[nodiscard]] bool is_sweeping() const noexcept { return sweep_needed_ || phase_ != Phase::none; }
  [[nodiscard]] bool is_superseded() const noexcept { return over_; }

 private:
  enum class State : std::uint8_t { waiting, loading, ready, writing };
  struct Entry {
    State state = State::waiting;
    bool again = false;  // it has changed since it left waiting
    std::uint64_t load = 0;
    AnswerBody body;
  };
  enum class Phase : std::uint8_t { none, scanning, walking };
  struct Sent {
    std::uint64_t batch = 0;
    std::vector<std::string> keys;
    std::uint64_t copies = 0;
  };

  void on(copying::Served& in);
  void on(copying::Offered& in);
  void on(const copying::Tick& in);
  void on(copying::Claimed& in);
  void on(const copying::Outdated& in);
  void on(const copying::Lost& in);
  void on(copying::Loaded& in);
  void on(const copying::Written& in);
  void on(copying::Walked& in);
  void on(copying::Scanned& in);

  void change(std::string key);
  [[nodiscard]] bool add(std::string key);
  void wait_again(const std::string& key, Entry& entry);
  void need_sweep();
  void lose();
  void claim();
  void supersede(std::string why);
  [[nodiscard]] bool trusts(const copying::Claimed& in) const;
  void settle(const Sent& sent);

  void pump();
  void sweep_on();
  void load();
  [[nodiscard]] bool is_time_to_write() const;
  void write();
  [[nodiscard]] copying::Write next_write();

  const std::int64_t ttl_ms_;
  const CopyLimits limits_;
  CopyCounters& counters_;
  Random random_;
  const CopyFault planted_;
  CopyEffects effects_;

  Generation generation_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t begun_at_ = 0;  // the position when this engine began
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> waiting_;  // keys of entries in that state, each once
  std::deque<std::string> ready_;
  std::size_t ready_bytes_ = 0;
  std::size_t loading_ = 0;
  std::uint64_t last_load_ = 0;

  bool connected_ = false;
  bool over_ = false;
  std::string claim_;  // the last one of ours; empty: none yet
  std::uint64_t last_batch_ = 0;
  std::uint64_t done_batch_ = 0;      // the marker names this one or a later one
  std::deque<Sent> sent_;             // not answered
  Generation marked_generation_ = 0;  // what the marker says once all that was sent is done
  std::uint64_t marked_position_ = 0;

  bool sweep_needed_ = false;
  Phase phase_ = Phase::none;
  std::uint64_t sweep_ = 0;
  bool ask_redis_ = false;
  bool asked_ = false;  // for the next part of the sweep
  std::string cursor_;
  std::optional<journal::RowName> after_;
};

}  // namespace flotilla::cqrs
