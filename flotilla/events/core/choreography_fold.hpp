// Follows transactions: which one an event belongs to, and what becomes of it. All that decides what is said
// of one.
//
// For: the projection (journal/core/event_fold.hpp), which keeps the rows. A transaction is found by what
// `correlate` gives of an event, or else by its correlationid. An event of the choreography's topics fulfils
// the oldest open wait of each expectation that names its topic, and begins those that come after it. The
// last event that names an end decides it, once nothing is expected any more. Dead letters are linked to
// their event. What `on_overdue` published marks the wait as told, so that it is published once. Nothing here
// fails: a transaction is to be seen, whatever comes.
//
// Rows, by key and name: "i/ID" the transaction; "a/CORRELATION", ID: whose correlation it is; "d", DUE/ID:
// what is due and not told; "s/STATE", CHANGED/ID: by state, the longest unchanged first. Times are
// milliseconds in 15 digits. Ownership: immutable; the counters outlive it. Threads: any, the counters: one
// writer. Limits: those of instance.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/counter.hpp"
#include "flotilla/events/core/choreography.hpp"
#include "flotilla/events/core/instance.hpp"
#include "flotilla/journal/core/event_fold.hpp"

namespace flotilla::events {

// Mistakes that the simulator plants to prove that it would find them. Never set outside tests.
enum class FollowFault : std::uint8_t {
  none,
  fulfil_newest,      // an event fulfils the newest wait of an expectation
  fulfil_all,         // ... or every one
  one_is_enough,      // one event fulfils an expectation of all of several
  due_from_start,     // what is due counts from the start of the transaction
  end_early,          // it ends though something is still expected
  ends_stay,          // an end stays the first that came
  forget_told,        // what was told is due again
  keep_due,           // the row of what is due stays
  keep_state,         // the row of a state stays
  late_unmarked,      // an event that comes late is not marked
  unexpected_missed,  // what nobody expects is not marked
  expire_open,        // what is due is forgotten with the rest
  dead_elsewhere,     // a dead letter is linked to the newest event
  shard_ignored,      // positions of different shards are taken for the same
  publish_early,      // it is told before it is due
  another_id,         // it is told by another id each time
  give_up,            // what could not be told is not tried again
};
inline constexpr std::size_t kFollowFaults = static_cast<std::size_t>(FollowFault::give_up) + 1;

// As folded; what is folded anew counts again.
struct ChoreographyCounters {
  Counter events;
  Counter started;
  Counter ended_ok;
  Counter ended_undone;
  Counter unexpected;
  Counter late;
  Counter dead;
  Counter deep;
  Counter left_out;
  Counter expired;
};

// What is due and not told, as the row of key kDueKey says it.
struct DueRow {
  std::int64_t due_ms = 0;
  std::string id;     // of the transaction
  std::string alert;  // the id of the event that tells it: always the same one
  std::string after;  // topic
  std::string event;  // id of the event that it follows
  std::string correlation;
  journal::Position position;  // ... and its position
  std::vector<std::string> missing;
  bool all = false;
  friend bool operator==(const DueRow&, const DueRow&) = default;
};

inline constexpr std::string_view kDueKey = "d";
[[nodiscard]] std::string instance_key(std::string_view id);
[[nodiscard]] std::string alias_key(std::string_view correlation);
[[nodiscard]] std::string state_key(InstanceState state);
// The name of a row under kDueKey or state_key().
[[nodiscard]] std::string timed_name(std::int64_t ms, std::string_view id);
// Nothing where it is none.
struct TimedName {
  std::int64_t ms = 0;
  std::string id;
};
[[nodiscard]] std::optional<TimedName> read_timed_name(std::string_view name);
[[nodiscard]] Result<DueRow> read_due_row(std::string_view name, std::string_view value);

// What tells an expectation from others wherever it stands in the file; part of the ids of alerts.
[[nodiscard]] std::string expectation_mark(const Expectation& expectation);
// Whose event `on_overdue` publishes.
[[nodiscard]] std::string alert_source(std::string_view choreography);

class ChoreographyFold final : public journal::EventFold {
 public:
  explicit ChoreographyFold(ChoreographyPtr choreography, std::shared_ptr<ChoreographyCounters> counters,
                            FollowFault planted = FollowFault::none);

  [[nodiscard]] const Choreography& choreography() const noexcept { return *choreography_; }

  [[nodiscard]] std::optional<journal::RowName> place(const journal::FoldInput& in) const override;
  [[nodiscard]] std::expected<journal::Folded, std::string> fold(const json::Value& so_far,
                                                                 const journal::FoldInput& in) const override;
  [[nodiscard]] std::optional<journal::Folded> expire(const json::Value& row,
                                                      std::int64_t now_ms) const override;
  [[nodiscard]] Result<std::shared_ptr<const journal::EventFold>> remake(
      const std::string& text) const override;

  // The transaction's, or an empty text: the event is of none.
  [[nodiscard]] std::string id_of(const journal::FoldInput& in) const;
  void advance(Instance& instance, const journal::FoldInput& in) const;

 private:
  void take_event(Instance& instance, const journal::FoldInput& in) const;
  // Whether anything waited for it, and whether that was due before.
  struct Fulfilled {
    bool any = false;
    bool late = false;
  };
  [[nodiscard]] Fulfilled fulfil(Instance& instance, const journal::FoldInput& in) const;
  void expect_more(Instance& instance, const journal::FoldInput& in) const;
  void take_dead_letter(Instance& instance, const journal::FoldInput& in) const;
  [[nodiscard]] bool is_same(journal::Position one, journal::Position other) const;
  void take_alert(Instance& instance, const journal::FoldInput& in) const;
  [[nodiscard]] InstanceState state_of(const Instance& instance) const;
  [[nodiscard]] std::string alert_id(const Instance& instance, const Wait& wait) const;
  void link(Instance& instance, const journal::FoldInput& in) const;
  // The rows beside that of an instance.
  using Beside = std::vector<std::pair<journal::RowName, std::optional<std::string>>>;
  void add_rows(const Instance& instance, bool put, Beside& rows) const;
  [[nodiscard]] journal::Folded folded(const Instance* before, const Instance* after) const;

  ChoreographyPtr choreography_;
  std::vector<std::string> own_;    // topics whose events are followed: not those of dead letters and alerts
  std::vector<std::string> marks_;  // of the expectations, the same wherever they stand in the file
  std::shared_ptr<ChoreographyCounters> counters_;
  FollowFault planted_;
};

}  // namespace flotilla::events
