// Position: how far somebody has come in a journal.
//
// For: "read your own writes" (`Position`, `Read-After`), cursors of subscriptions, pages of reads. Outside
// it is an opaque token; the empty position, "0", is before the first record.
// Every record takes the next position of its journal, whatever its class, without gaps; forgetting old
// records leaves holes but never moves a position.
// An embedded store is one shard, so there is one number inside. Positions of several shards are only partly
// ordered: ask covers(), never compare.
// Ownership, threads: a plain value. Limits: 2^63-1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

class Position {
 public:
  constexpr Position() noexcept = default;
  // For stores: the n-th record.
  explicit constexpr Position(std::uint64_t n) noexcept : n_(n) {}
  [[nodiscard]] constexpr std::uint64_t number() const noexcept { return n_; }

  // Whether whoever is here has seen all that one at `other` has.
  [[nodiscard]] constexpr bool covers(Position other) const noexcept { return n_ >= other.n_; }
  friend constexpr bool operator==(Position, Position) noexcept = default;

  // "0", or "0-17": shard and number.
  [[nodiscard]] std::string text() const;
  // Errors: invalid, naming the token.
  [[nodiscard]] static Result<Position> parse(std::string_view text);

 private:
  std::uint64_t n_ = 0;
};

}  // namespace flotilla::journal
