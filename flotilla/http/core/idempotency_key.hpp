// The Idempotency-Key of a request, read strictly.
//
// For: whatever makes requests safe to repeat: sagas, commands. As the header's draft writes it, a quoted
// String of RFC 8941, or bare, as most clients send it; both are the same key.
// Ownership: values. Threads: pure functions. Limits: kMaxIdempotencyKey.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace flotilla::http {

inline constexpr std::size_t kMaxIdempotencyKey = 255;  // bytes

// The values of its fields as one key, unquoted; empty where there is none. The error is a sentence: several
// keys, another form, too long.
[[nodiscard]] std::expected<std::string, std::string> read_idempotency_key(
    const std::vector<std::string_view>& fields);

}  // namespace flotilla::http
