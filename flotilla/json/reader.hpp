// Reading JSON (RFC 8259): one text into one Value.
//
// For: request and answer bodies, registrations, stored records. simdjson finds the structure; numbers keep
// their text, so 9007199254740993, 1.10 and 1e400 come out as they went in.
// Refused, with the byte offset: invalid UTF-8, half surrogate pairs, anything after the value, NaN and
// Infinity, exponents of more than nine digits, what is larger or deeper than the limits.
// Duplicate keys: the last value wins, in the first one's place (as jq and browsers do).
// Ownership: the Value owns its text; the input may go. Threads: any; each keeps scratch space of its own,
// at most a few MiB: texts over 256 KiB use space of their own.
#pragma once

#include <cstddef>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/json/check.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json {

struct Limits {
  std::size_t depth = kDefaultDepth;  // levels of arrays and objects; at most Value::kMaxDepth
  std::size_t size = 10U << 20;       // bytes of text
};

// Errors: invalid ("byte 17: expected a key in quotes"), limit (too large, too deep).
[[nodiscard]] Result<Value> parse(std::string_view text, Limits limits = {});

}  // namespace flotilla::json
