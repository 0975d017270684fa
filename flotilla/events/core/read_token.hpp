// How far a reader of a topic has come: one position for each shard of the journal, as one opaque text.
//
// For: `from` and `next` of reads, ids of server-sent events. A topic's events lie in any of the journal's
// shards, and positions of different shards have no order; so where a reader stands is a vector of them.
// Text: "0" before everything, else the positions that are not 0, by shard, with dots between: "0-17",
// "3-12.5-8". So a publication's Position is a token too: behind that event, and before all of other shards.
// Ownership, threads: plain values. Limits: journal::kMaxShards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/position.hpp"

namespace flotilla::events {

class ReadToken {
 public:
  // Before everything, in a journal of so many shards.
  explicit ReadToken(std::uint32_t shards) : numbers_(shards) {}

  [[nodiscard]] std::uint32_t shards() const noexcept { return static_cast<std::uint32_t>(numbers_.size()); }
  [[nodiscard]] journal::Position at(std::uint32_t shard) const {
    return journal::Position(numbers_[shard], shard);
  }
  // From now on behind `position`, within its shard, which must be one of shards() (asserted).
  void move_to(journal::Position position);

  [[nodiscard]] std::string text() const;
  // Errors: invalid, naming the token: another form, a shard twice or out of order, one that is not there.
  [[nodiscard]] static Result<ReadToken> parse(std::string_view text, std::uint32_t shards);

  friend bool operator==(const ReadToken&, const ReadToken&) = default;

 private:
  std::vector<std::uint64_t> numbers_;  // by shard
};

}  // namespace flotilla::events
