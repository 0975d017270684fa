// The formats that JSON Schema's `format` asserts here.
//
// For: the schema compiler; docs/json-schema.md lists them. Other names assert nothing, as the standard asks.
// Ownership, threads: pure functions, no allocation. Cost: one pass over the text.
#pragma once

#include <string_view>

namespace flotilla::json::schema {

using FormatCheck = bool (*)(std::string_view) noexcept;

struct Format {
  std::string_view name;      // as `format` names it
  std::string_view describe;  // for people, with its article: "an e-mail address"
  FormatCheck check;
};

// Nothing (nullptr) for a format that asserts nothing.
[[nodiscard]] const Format* find_format(std::string_view name) noexcept;

// RFC 4291, 2.2, with an IPv4 tail or without; no zone, no brackets.
[[nodiscard]] bool is_ipv6(std::string_view text) noexcept;

}  // namespace flotilla::json::schema
