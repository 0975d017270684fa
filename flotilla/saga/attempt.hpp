// One attempt of a saga's request: one Call, at most one request on the wire.
//
// For: shard.hpp. The service's rate limit, breaker and bulkhead apply, and what they refuse was held back,
// not attempted; its retries, fallbacks and timeout do not: the saga has its own.
// What the answer means is the engine's business (core/verdict.hpp); here it is only read: its head, the
// hints for sagas in it, and its body.
// Ownership: values; the table, caller and effect must outlive the task. Threads: the worker's.
// Limits: a body of more than kMaxPayload is read one byte beyond it and no further; the engine says what
// follows.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "flotilla/call/caller.hpp"
#include "flotilla/saga/core/engine_io.hpp"

namespace flotilla::saga {

// Sends, and gives what engine.hpp wants to hear of it. A service that the file does not know any more was
// not reached. `callback`: where the service may report the end of what it answers 202; empty: nowhere.
// `wanted` is asked on the loop when every wait is over, before the first byte leaves; false: held back.
[[nodiscard]] net::Task<input::Answer> attempt(net::Loop& loop, call::Caller& caller,
                                               const call::ServiceTable& services, const effect::Send& send,
                                               std::string_view callback, std::function<bool()> wanted);

// The header Retry-After: whole seconds, or a date of RFC 9110 (then the difference to `now`, at least 0).
[[nodiscard]] std::optional<Duration> read_retry_after(std::string_view value, WallTime now) noexcept;

// Where to ask about a 202: the path and query of Location if it is one of ours to ask, without the prefix of
// the service's address; empty otherwise.
[[nodiscard]] std::string poll_target(std::string_view location, std::string_view path_prefix);

}  // namespace flotilla::saga
