// What a process asks of the one that runs a queue: to take a call, and what people ask; as HTTP requests.
//
// For: queue_runner_shared.cpp, on both sides, in a journal that several processes share. A request names
// what is asked in its path, below kQueueForwardPath of the owner's application API, and is sealed as those
// of sagas are (the port Seal), so the port's token is not needed and nobody else can ask. It is never passed
// on. Ownership: values. Threads: pure functions; ask_owner() the caller's loop. Limits: those of a queued
// call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/call/durable_queue.hpp"
#include "flotilla/events/core/queue_io.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::events {

inline constexpr std::string_view kQueueForwardPath = "/v1/forwarded/queues/";

// A keyed hash of the bytes, under a secret that the processes of one journal share.
using Seal = std::function<std::string(std::string_view bytes)>;

struct ForwardedTake {
  std::string queue;
  call::DeferredCall call;  // without its QueueFallback
};
struct ForwardedVerb {
  std::string queue;
  std::string id;
  QueueVerb verb = QueueVerb::retry;
  std::string who_why;
};
using ForwardedToQueue = std::variant<ForwardedTake, ForwardedVerb>;

[[nodiscard]] http::Request write_forwarded(ForwardedTake take, const Seal& seal);
[[nodiscard]] http::Request write_forwarded(const ForwardedVerb& verb, const Seal& seal);
// Errors: forbidden (another seal), unsupported.
[[nodiscard]] Asked<ForwardedToQueue> read_forwarded(const http::Request& request, const Seal& seal);

[[nodiscard]] json::Value write_answer(const call::Taken& taken);
[[nodiscard]] json::Value write_answer(const Asked<std::monostate>& done);
// Nothing for what write_answer() did not write.
[[nodiscard]] std::optional<call::Taken> read_taken(const json::Value& value);
[[nodiscard]] std::optional<Asked<std::monostate>> read_done(const json::Value& value);

// What the owner of the shard answers. `reached`, of an error: it may have done what was asked.
struct NoAnswer {
  std::string why;
  bool reached = false;
};
[[nodiscard]] net::Task<std::expected<json::Value, NoAnswer>> ask_owner(journal::Journal& journal,
                                                                        std::uint32_t shard,
                                                                        http::Request request);

}  // namespace flotilla::events
