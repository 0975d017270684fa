// Passing a publication on to the process that owns the topic's home shard.
//
// For: api.hpp, in a journal that several processes share. The request goes on as it came, with its token, so
// the processes have the same; it is passed on once: an owner that is none any more says so. Ownership:
// borrows the journal. Threads: the caller's loop. Limits: kForwardPatience.
#pragma once

#include <cstdint>
#include <string_view>

#include "flotilla/http/core/message.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

inline constexpr Duration kForwardPatience = std::chrono::seconds(10);
inline constexpr std::string_view kForwardedHeader = "Flotilla-Forwarded";

// The owner's answer; or 503 store_unavailable when there is no owner, it cannot be reached, or the request
// was passed on already. Where it was reached and did not answer it is not known what became of the
// publication.
[[nodiscard]] net::Task<http::Response> forward_to_owner(journal::Journal& journal, std::uint32_t shard,
                                                         http::Request request);

}  // namespace flotilla::events
