// URI references (RFC 3986): taking them apart, resolving one against a base, and whether a text is one.
//
// For: `$id`, `$ref`, and the formats uri and uri-reference. Nothing is fetched, nothing is normalized but
// dot segments. Ownership: Parts are views into the argument. Threads: pure. Limits: none of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flotilla::json::schema {

struct UriParts {
  std::optional<std::string_view> scheme;
  std::optional<std::string_view> authority;
  std::string_view path;
  std::optional<std::string_view> query;
  std::optional<std::string_view> fragment;
};

// RFC 3986, appendix B: any text can be taken apart.
[[nodiscard]] UriParts split_uri(std::string_view text) noexcept;

// RFC 3986, 5.2: the reference seen from `base`, which may itself be relative or empty.
[[nodiscard]] std::string resolve_uri(std::string_view base, std::string_view reference);

// Whether every part keeps to the grammar of RFC 3986.
[[nodiscard]] bool is_uri_reference(std::string_view text) noexcept;
// The same, with a scheme.
[[nodiscard]] bool is_uri(std::string_view text) noexcept;

}  // namespace flotilla::json::schema
