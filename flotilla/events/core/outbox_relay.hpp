// The relay of an outbox table: which rows may be published, in which requests, and which may be deleted.
//
// For: the shell in outbox_runner.hpp. A service writes an event into the table in the transaction that
// changes its data; the relay publishes it afterwards, at least once, and deletes it once it is durable
// there.
//   Which rows: those of transactions below the snapshot's xmin, in the order of positions, up to the first
//     that is not. (What can be seen and is not below xmax was written in another database, and restored
//     here.) Positions are drawn before a transaction commits, so a row with a lower one may come later:
//     nothing is ever concluded from a position that is missing, and nothing goes by time. A row leaves only
//     because the platform has acknowledged it.
//   Order: a topic has one request under way; of what fails nothing later of that topic overtakes it. A row
//     that was written by a transaction that had seen another row of its key go is sent after that one.
//   Refusals: a request that is refused is halved until the row is found. That row stays in the table and
//     holds those of its key (without a key, nobody); it is offered again, ever more slowly.
// Inputs come one at a time; `step` appends what is to be done. Ownership: owns what it was told until it is
// answered. Threads: one. Limits: OutboxPolicy; at the bound of held keys nothing is read until one is due.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/outbox_faults.hpp"
#include "flotilla/events/core/outbox_io.hpp"

namespace flotilla::events {

struct OutboxCounters {
  std::uint64_t published = 0;   // rows that the platform has acknowledged
  std::uint64_t duplicates = 0;  // of them, those that it had before
  std::uint64_t requests = 0;
  std::uint64_t failed_requests = 0;  // unavailable, no topic
  std::uint64_t refused_requests = 0;
  std::uint64_t refused_rows = 0;  // found to be, each time
  std::uint64_t forgotten = 0;
  std::uint64_t pages = 0;
  std::uint64_t behind_horizon = 0;  // pages with rows that an open transaction held back
  std::uint64_t at_bound = 0;        // times nothing was read because too much was held
  std::uint64_t database_failures = 0;
};

class OutboxRelay {
 public:
  // Asks to connect with the first step, which is a Woken.
  OutboxRelay(OutboxPolicy policy, std::uint64_t seed, OutboxFault planted = OutboxFault::none);

  void step(Instant now, OutboxInput input, std::vector<OutboxEffect>& effects);

  [[nodiscard]] const OutboxCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }
  [[nodiscard]] std::size_t waiting_topics() const noexcept;

 private:
  using Chunk = std::vector<std::size_t>;  // places in rows_
  struct Lane {
    std::deque<Chunk> chunks;
    std::uint64_t request = 0;  // of the first chunk, while under way
  };
  struct Delay {
    std::uint32_t failures = 0;
    Instant until = Instant::min();
  };

  void on(outbox_input::Connected connected);
  void on(outbox_input::Standby standby);
  void on(outbox_input::Page page);
  void on(const outbox_input::Answer& answer);
  void on(outbox_input::Forgotten forgotten);
  void on(outbox_input::Woken woken);
  void on(const outbox_input::DatabaseFailed& failed);
  void on(outbox_input::Stop stop);

  void read();
  void wait();
  void fill_lanes(std::size_t eligible);
  void send_next(Lane& lane);
  void end_cycle();
  [[nodiscard]] std::size_t eligible_rows(const outbox_input::Page& page);
  void plant_cursor();
  void settle_published(const std::string& topic, Lane& lane, const outbox_input::Answer& answer);
  void settle_refused(Lane& lane, const outbox_input::Answer& answer);
  void settle_failed(const std::string& topic, Lane& lane, const outbox_input::Answer& answer);
  void hold(std::size_t row, const std::string& why);
  void forget_old_delays();
  [[nodiscard]] Duration delay_of(const resilience::RetryPolicy& policy, std::uint32_t failures);
  [[nodiscard]] static std::string name_of(const OutboxRow& row);
  void tell(outbox_effect::Tell::What what, std::string topic, std::string id, std::string detail);
  template <class Effect>
  void emit(Effect effect) {
    effects_->emplace_back(std::move(effect));
  }

  OutboxPolicy policy_;
  Random random_;
  OutboxFault planted_;
  OutboxCounters counters_;

  Instant now_;
  std::vector<OutboxEffect>* effects_ = nullptr;
  bool begun_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  bool told_standby_ = false;
  std::uint32_t connect_failures_ = 0;
  std::uint64_t last_request_ = 0;

  // Of the page that is being dealt with.
  std::vector<OutboxRow> rows_;
  std::vector<std::string> rendered_;
  std::map<std::string, Lane> lanes_;
  std::set<std::string> held_now_;  // names of rows that were refused
  std::size_t under_way_ = 0;
  bool more_ = false;
  bool changed_ = false;  // what is not to be read has changed
  std::vector<std::uint64_t> acked_;

  std::map<std::string, Delay> held_;    // by name_of()
  std::map<std::string, Delay> topics_;  // that fail

  std::uint64_t highest_ = 0;  // of planted mistakes
  Instant gap_since_ = Instant::max();
};

}  // namespace flotilla::events
