// Where a view runs: its home shard, and the lease under which everything of it is written.
//
// Ownership: a value. Threads: values. Limits: none.
#pragma once

#include <cstdint>

namespace flotilla::cqrs {

struct ViewSeat {
  std::uint32_t shard = 0;
  std::uint64_t epoch = 0;
};

}  // namespace flotilla::cqrs
