// Position: how far somebody has come in a journal.
//
// For: "read your own writes" (`Position`, `Read-After`), cursors of subscriptions, pages of reads. Outside
// it is an opaque token; the empty position, "0", is before the first record.
// Every record takes the next position of its shard, whatever its class, without gaps; forgetting old
// records leaves holes but never moves a position.
// Inside are a shard (core/shard.hpp; an embedded store is one, shard 0) and a number. Positions of different
// shards have no order: ask covers(), never compare.
// Ownership, threads: a plain value. Limits: 2^63-1; shards below kMaxShards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/shard.hpp"

namespace flotilla::journal {

class Position {
 public:
  constexpr Position() noexcept = default;
  // For stores: the n-th record of a shard; 0 is before its first.
  explicit constexpr Position(std::uint64_t n, std::uint32_t shard = 0) noexcept : n_(n), shard_(shard) {}
  [[nodiscard]] constexpr std::uint64_t number() const noexcept { return n_; }
  [[nodiscard]] constexpr std::uint32_t shard() const noexcept { return shard_; }

  // Whether whoever is here has seen all that one at `other` has. Of different shards that is so only when
  // `other` has seen nothing.
  [[nodiscard]] constexpr bool covers(Position other) const noexcept {
    return other.n_ == 0 || (shard_ == other.shard_ && n_ >= other.n_);
  }
  friend constexpr bool operator==(Position, Position) noexcept = default;

  // "0", or "5-17": shard and number.
  [[nodiscard]] std::string text() const;
  // Errors: invalid, naming the token.
  [[nodiscard]] static Result<Position> parse(std::string_view text);

 private:
  std::uint64_t n_ = 0;
  std::uint32_t shard_ = 0;
};

}  // namespace flotilla::journal
