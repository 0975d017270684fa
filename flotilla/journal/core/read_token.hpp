// How far a reader of the journal has come: one position for each of its shards, as one opaque text.
//
// For: `from` and `next` of reads, ids of server-sent events, how far a view has come. A topic's events lie
// in any of the journal's shards, and positions of different shards have no order; so where a reader stands
// is a vector of them. Text: "0" before everything, else the positions that are not 0, by shard, with dots
// between: "0-17", "3-12.5-8". So a publication's Position is a token too: behind that event, and before all
// of other shards. Ownership, threads: plain values. Limits: kMaxShards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/position.hpp"

namespace flotilla::journal {

class ReadToken {
 public:
  // Before everything, in a journal of so many shards.
  explicit ReadToken(std::uint32_t shards) : numbers_(shards) {}
  ReadToken() : ReadToken(1) {}

  [[nodiscard]] std::uint32_t shards() const noexcept { return static_cast<std::uint32_t>(numbers_.size()); }
  [[nodiscard]] Position at(std::uint32_t shard) const { return Position(numbers_[shard], shard); }
  // From now on behind `position`, within its shard, which must be one of shards() (asserted).
  void move_to(Position position);
  // The same, where it is not there already.
  void advance_to(Position position);
  // ... in every shard. Both are of one journal (asserted).
  void advance_to(const ReadToken& other);

  // Whether all up to there has been seen here. Of a shard that is not there only 0 is covered.
  [[nodiscard]] bool covers(Position position) const noexcept;
  [[nodiscard]] bool covers(const ReadToken& other) const noexcept;
  // The sum of the positions: of two tokens of which one covers the other, the greater one is farther.
  [[nodiscard]] std::uint64_t total() const noexcept;

  [[nodiscard]] std::string text() const;
  // Errors: invalid, naming the token: another form, a shard twice or out of order, one that is not there.
  [[nodiscard]] static Result<ReadToken> parse(std::string_view text, std::uint32_t shards);

  friend bool operator==(const ReadToken&, const ReadToken&) = default;

 private:
  std::vector<std::uint64_t> numbers_;  // by shard
};

}  // namespace flotilla::journal
