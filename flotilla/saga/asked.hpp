// What a request to start or tell a saga says: its key, its patience, its JSON; each read strictly.
//
// For: those who speak HTTP to sagas. Ownership: values. Threads: pure functions. Limits: service.hpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

// The values of a request's Idempotency-Key fields as one key, unquoted; empty where there is none. Taken as
// the header's draft writes it, a quoted String of RFC 8941, or bare, as most clients send it; both are the
// same key. Errors: malformed (several keys, another form, more than kMaxKeyBytes).
[[nodiscard]] Asked<std::string> read_key(const std::vector<std::string_view>& fields);

// `5s`: how long to wait for the end, at most kMaxWait. Error: malformed.
[[nodiscard]] Asked<Duration> read_wait(std::string_view text);

// Errors: malformed (empty, not JSON), too_large (more than kMaxPayload, too deep).
[[nodiscard]] Asked<json::Value> read_payload(std::string_view body);

}  // namespace flotilla::saga
