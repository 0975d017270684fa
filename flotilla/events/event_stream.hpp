// A topic as server-sent events (WHATWG HTML, 9.2): what there is, then what comes, until the client leaves.
//
//   id: TOKEN         where to go on, as Last-Event-ID
//   data: EVENT       in CloudEvents' JSON format, over several lines where its data has line feeds
//
// Ownership: borrows everything for as long as its task runs. Threads: the exchange's loop. Limits: a place
// among those that wait (topic_reader.hpp); a client that takes nothing for kStalled is dropped, and
// meanwhile nothing is read for it; a comment every kQuiet keeps a quiet stream open.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/events/event_metrics.hpp"
#include "flotilla/events/topic_reader.hpp"
#include "flotilla/http/server.hpp"

namespace flotilla::events {

inline constexpr Duration kQuiet = std::chrono::seconds(15);
inline constexpr Duration kStalled = std::chrono::seconds(60);

// Answers the exchange. The stream ends, in order, when the journal cannot be read; the client then comes
// again and is told why.
[[nodiscard]] net::Task<> stream_events(http::Exchange& exchange, TopicReader& reader,
                                        TopicCounters& counters, std::string topic, ReadToken from);

// One event of the stream. `json` may have line ends of any kind.
void append_server_sent(std::string& out, std::string_view token, std::string_view json);

}  // namespace flotilla::events
