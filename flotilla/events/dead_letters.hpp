// What people do with the dead letters of subscriptions: look, edit, send again, drop.
//
// For: dead_letter_api.hpp; `app`, which lets it tend the journal. A verb is durable, with who and why,
// before it is answered; one that is sent again is the subscription's affair from then on, and comes back, or
// is delivered, by its engine. Letters are looked at from any process that shares a journal; verbs are done
// by the one that has the letter's shard. Those that are settled are forgotten kKeepSettled later, by the
// process that has them; those that wait for a person stay. Ownership: the journal and the runner outlive it.
// Threads: one loop's, but collect(), which is any thread's. Limits: kMaxLetters a page, and a bulk of a
// verb; journal::kMaxBody of an edit.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

inline constexpr std::size_t kDefaultLetters = 100;
inline constexpr std::size_t kMaxLetters = 500;
inline constexpr Duration kKeepSettled = std::chrono::days(7);

// Which letters of a subscription; what is empty is not looked at.
struct LetterFilter {
  std::string state;
  std::string key;
  std::string reason;
  std::string code;
};

struct LetterPage {
  std::vector<journal::Summary> rows;  // oldest first
  std::string next;                    // where to go on; empty: there are no more
};

struct LetterBulk {
  std::size_t done = 0;
  std::size_t passed = 0;  // for something that speaks against the verb
  std::string next;        // as of a page
};

class DeadLetters {
 public:
  DeadLetters(journal::Journal& journal, SubscriptionRunner& runner) noexcept
      : journal_(journal), runner_(runner) {}

  // Errors of all: not_found (no such letter of that subscription), overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<LetterPage>> list(std::string subscription, LetterFilter filter,
                                                  std::string after, std::size_t limit);
  [[nodiscard]] net::Task<Asked<DeadLetterPtr>> show(std::string subscription, std::string id);
  // Errors also: conflict (its state speaks against it, or it has gone on meanwhile), too_large. The letter
  // after it.
  [[nodiscard]] net::Task<Asked<DeadLetterPtr>> take(std::string subscription, std::string id,
                                                     LetterStep step);
  // That verb, a replay or a drop, of at most `limit` open ones that the filter wants, those behind `after`.
  [[nodiscard]] net::Task<Asked<LetterBulk>> take_all(std::string subscription, LetterFilter filter,
                                                      LetterStep step, std::string after, std::size_t limit);

  // Counts them, and forgets those that were settled long ago. Errors: those of the journal.
  [[nodiscard]] net::Task<Result<>> sweep(WallTime now);
  void collect(telemetry::MetricsPage& page) const;

 private:
  [[nodiscard]] Asked<journal::StreamId> id_of(std::string_view id) const;
  [[nodiscard]] net::Task<Asked<DeadLetterPtr>> find(std::string subscription, journal::StreamId id);
  [[nodiscard]] Asked<journal::Batch> batch_for(std::uint32_t shard) const;
  [[nodiscard]] net::Task<Result<>> forget(std::string name, std::string state, WallTime now);

  journal::Journal& journal_;
  SubscriptionRunner& runner_;
  mutable std::mutex mutex_;
  std::map<std::string, std::array<std::uint64_t, kLetterStates>> counts_;  // guarded by mutex_
};

}  // namespace flotilla::events
