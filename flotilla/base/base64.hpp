// Base64 (RFC 4648, section 4): bytes as text, with padding.
//
// For: binary data within JSON. Ownership, threads: pure functions. Limits: none of their own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flotilla {

[[nodiscard]] std::string base64_encode(std::string_view bytes);

// Strict: whole groups of four with their padding, nothing between, no bits behind the last byte; else
// nothing.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

}  // namespace flotilla
