// What is asked of a view in HTTP, and what is answered: the same for services and through a gateway.
//
//   Read-After: P       what is at least so new as P, a Position that some answer named; else 503 behind
//   ?wait=200ms         how long to wait for that (1s), at most kMaxWait
//   ?stale=ok           and then rather what there is, with `Stale: true`
//   ?limit=N&after=T    a page of rows
// An answer carries View-Position (at least so new), View-Age (seconds that it is behind) and, where more
// rows follow those of a key, View-Next. Ownership: values. Threads: pure functions. Limits: those of
// view_reader.hpp.
#pragma once

#include <string_view>

#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::cqrs {

// `read_after`: the field's value, empty if there is none. Errors: malformed, naming what is wrong.
[[nodiscard]] Asked<ViewAsk> read_ask(std::string_view query, std::string_view read_after);

[[nodiscard]] http::Response refusal_answer(const Refusal& refusal);
// 404 where there is nothing under the key.
[[nodiscard]] http::Response view_answer(const ViewAnswer& answer, WallTime now);

}  // namespace flotilla::cqrs
