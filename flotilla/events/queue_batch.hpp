// What an append of a queue becomes in the journal: a record, the row of its item, and who holds which key.
//
// For: queue_shard.hpp. An item is found by its id (scope kQueueIds), and by its sender's Idempotency-Key
// while it is open or done; a dead letter lets go of that key, so that its sender may try anew.
// Ownership: values. Threads: pure functions. Limits: those of a Batch.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/events/core/queue_io.hpp"
#include "flotilla/events/queue.hpp"
#include "flotilla/journal/core/batch.hpp"

namespace flotilla::events {

inline constexpr std::string_view kQueueIds = "queue-id";

// The scope of the keys that senders give.
[[nodiscard]] std::string queue_key_scope(std::string_view queue);
// The key as it is claimed: nobody shares one with whoever has other credentials.
[[nodiscard]] std::string queue_claim(const http::Request& request, std::string_view idempotency_key);

// The epoch is the caller's to set.
[[nodiscard]] journal::Batch make_batch(const queue_effect::Append& append, const Queue& queue,
                                        journal::UtcMillis time);
// Of the request that is behind a key, to tell a repeated call from another one.
[[nodiscard]] journal::Hash hash_of(const http::Request& request);

}  // namespace flotilla::events
