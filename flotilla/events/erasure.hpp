// Erases the data of a subject: of a person, say, who has asked for it.
//
// For: the operators' API. In this order: the key under which the subject's data is sealed is destroyed
// (journal/key_vault.hpp), an event says so in the topic kErasedTopic, the subject's dead letters are
// deleted, views of topics with personal fields are built anew, of what readers see now, and what was deleted
// is removed from the store's log. Doing it again is safe and goes on where it was. Ownership: borrows all it
// is given. Threads: one loop's. Limits: a request waits at most kPatience for views and the log.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/events/who_why.hpp"
#include "flotilla/journal/key_vault.hpp"
#include "flotilla/journal/topic_upkeep.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

// Where erasures are told; it exists where a topic has personal fields.
inline constexpr std::string_view kErasedTopic = "subjects.erased";

// What is personal in each topic, and in those that are made of it: dead letters, on_success, on_failure.
// Where one topic gets the data of several, all of their fields are, and the first one's subject holds.
struct DerivedTopic {
  std::string from;
  std::string to;
};
[[nodiscard]] journal::KeyVault::Policies personal_topics(journal::KeyVault::Policies declared,
                                                          const std::vector<DerivedTopic>& derived);

class Erasure {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(4);
  // Views of these topics that are still to be built anew; with `begin` they are told to. By their names.
  using Rebuild =
      std::function<net::Task<std::vector<std::string>>(std::set<std::string> topics, bool begin)>;

  Erasure(journal::Journal& journal, Publisher& publisher, std::uint64_t seed)
      : journal_(journal), publisher_(publisher), random_(seed) {}

  // From now on.
  void set_personal(journal::KeyVault::Policies policies);
  void set_rebuild(Rebuild rebuild) { rebuild_ = std::move(rebuild); }

  struct Done {
    std::int64_t keys = 0;  // that were destroyed now
    std::uint64_t dead_letters = 0;
    std::string position;                // of the event that tells of it
    std::vector<std::string> waits_for;  // what is left to be done: ask again
  };
  // Errors: not_found (nothing is personal), overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<Done>> erase(std::string subject, WhoWhy who_why);

  void collect(telemetry::MetricsPage& page) const;

  // Errors: those of erase().
  [[nodiscard]] net::Task<Asked<journal::KeyVault::Known>> show(std::string subject);

 private:
  [[nodiscard]] net::Task<Asked<std::string>> tell(const std::string& subject, const WhoWhy& who_why);
  [[nodiscard]] net::Task<Result<std::uint64_t>> drop_letters(const std::string& subject);
  [[nodiscard]] net::Task<Result<std::uint64_t>> drop_letters_of(std::string row_name, std::string subject);
  [[nodiscard]] net::Task<std::vector<std::string>> clean(Instant deadline);

  journal::Journal& journal_;
  Publisher& publisher_;
  Random random_;
  journal::KeyVault::Policies policies_;
  Rebuild rebuild_;
};

}  // namespace flotilla::events
