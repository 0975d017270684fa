// Shards: a store is one shard, or several that may have different owners.
//
// For: whoever places streams on shards, or has to know where one lies. A stream lies in one shard for ever,
// and its id says which; each shard has its own dense order of positions, its own epoch and one owner.
// Ids are `count * shards + shard`, the count going from 1 with each stream that a shard creates: so they
// grow with creation within a shard, and with one shard they are 1, 2, 3. Ownership, threads: pure functions.
// Limits: kMaxShards.
#pragma once

#include <cstdint>

#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

inline constexpr std::uint32_t kMaxShards = 64;

[[nodiscard]] constexpr std::uint32_t shard_of(StreamId stream, std::uint32_t shards) noexcept {
  return static_cast<std::uint32_t>(stream.value() % shards);
}

// The id of the `count`-th stream of a shard.
[[nodiscard]] constexpr StreamId stream_id(std::uint64_t count, std::uint32_t shard,
                                           std::uint32_t shards) noexcept {
  return StreamId(count * shards + shard);
}

}  // namespace flotilla::journal
