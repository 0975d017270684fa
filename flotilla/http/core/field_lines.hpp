// Taking scanned field lines apart: what request heads, response heads and trailers share.
//
// For http1_parser.cpp and body.cpp only. Ownership: views into the bytes. Threads: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "flotilla/http/core/head.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/scan.hpp"

namespace flotilla::http {

// Adds the lines from `first_line` on to `out.fields`. `head` must be completely scanned in out.scan.
[[nodiscard]] std::optional<ProtocolError> parse_field_lines(std::string_view head, std::size_t first_line,
                                                             Head& out);

// Reads Connection: sets connection_upgrade and keep_alive (from the version's default) and marks the fields
// it nominates.
[[nodiscard]] std::optional<ProtocolError> apply_connection(Head& out);

// Content-Length and Transfer-Encoding as a framing; Kind::none if there is neither.
[[nodiscard]] std::optional<ProtocolError> apply_framing(Head& out);

// What a scan that neither completed nor wants more means.
[[nodiscard]] ProtocolError scan_error(ScanResult result) noexcept;

// The first element of a comma list without blanks; moves `list` behind it. Nothing at the end.
[[nodiscard]] std::optional<std::string_view> next_element(std::string_view& list) noexcept;

}  // namespace flotilla::http
