// Deletes topics: says so in the journal first, then takes the events out a piece at a time.
//
// For: the operators' API. What somebody reads is not deleted. Once the deletion is durable it is carried
// out, whatever happens: what a crash has interrupted tend() goes on with, in a journal that several
// processes share in the one with the lease of the shard where it is written down. Events that are published
// from then on stay. Ids of events that are gone count for nothing any more. Ownership: the journal outlives
// it. Threads: one loop's. Limits: a request works at most kAtOnce on it, then tend() does.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/core/topic_deletion.hpp"
#include "flotilla/events/who_why.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::events {

class TopicRemoval {
 public:
  static constexpr Duration kAtOnce = std::chrono::seconds(2);
  static constexpr std::size_t kShown = 10;

  explicit TopicRemoval(journal::Journal& journal) noexcept : journal_(journal) {}

  // Who reads what, from now on.
  void set_uses(std::vector<TopicUse> uses) { uses_ = std::move(uses); }

  struct Removed {
    std::uint64_t events = 0;
    bool done = false;  // else tend() goes on
  };
  // `declared`: the file names it, so that it is there whatever the journal has. Errors: conflict (it is
  // read), not_found, unsupported (the store cannot), overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<Removed>> remove(std::string topic, bool declared, WhoWhy who_why);

  // The deletions of a topic, the newest first, at most kShown.
  [[nodiscard]] net::Task<Result<std::vector<journal::Summary>>> of(std::string topic);

  // Goes on with what is not done.
  [[nodiscard]] net::Task<Result<>> tend();

 private:
  [[nodiscard]] net::Task<Result<bool>> exists(std::string topic);
  [[nodiscard]] std::optional<std::uint32_t> seat() const;
  [[nodiscard]] bool is_ours(std::uint32_t shard) const;
  [[nodiscard]] journal::Batch batch_in(std::uint32_t shard) const;
  [[nodiscard]] net::Task<Result<std::int64_t>> forget_records(const TopicDeletion& deletion);
  // Until it is done, or the deadline.
  [[nodiscard]] net::Task<Result<bool>> carry_out(journal::StreamId stream, TopicDeletion& deletion,
                                                  Instant deadline);
  [[nodiscard]] net::Task<journal::AppendResult> save(journal::StreamId stream, TopicDeletion deletion,
                                                      std::string_view state);

  journal::Journal& journal_;
  std::vector<TopicUse> uses_;
  std::set<journal::StreamId> under_way_;  // by requests
};

}  // namespace flotilla::events
