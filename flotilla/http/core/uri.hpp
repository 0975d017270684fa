// Paths and queries of request targets (RFC 3986).
//
// Routing and forwarding must see the same path (else an authorization rule can be walked around),
// so both use normalize_path's result.
// Ownership: views into the argument or into the scratch string given. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flotilla::http {

struct NormalPath {
  std::string_view path;       // into the argument if it was normal already, else into `scratch`
  bool encoded_slash = false;  // has %2F or %5C: a server behind might take it for a separator
  bool semicolon = false;      // has path parameters
};

// The normal form of a path that starts with '/': %XX of unreserved characters decoded, other %XX in
// upper case (so %2F never becomes a slash), bytes that may not stand in a path encoded, dot segments
// removed (never above the root), then repeated slashes merged. Nothing for a malformed %XX, %00, a
// control character, '?' or '#'. No allocation if the path is normal already.
[[nodiscard]] std::optional<NormalPath> normalize_path(std::string_view path, std::string& scratch);

// Appends `text` so that it is one path segment: all but unreserved characters encoded.
void percent_encode_segment(std::string& out, std::string_view text);
// Appends `text` as a name or value of a query: all but unreserved characters encoded (a blank is %20).
void percent_encode_query_value(std::string& out, std::string_view text);
// Nothing for a malformed %XX. '+' stays '+' unless `plus_is_blank` (forms).
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank = false);

// Iterates over the parameters of a query, still encoded: next() until nothing comes.
class QueryParameters {
 public:
  struct Parameter {
    std::string_view name;
    std::string_view value;
    bool has_value = false;  // there was a '='
  };
  explicit QueryParameters(std::string_view query) noexcept : rest_(query) {}
  [[nodiscard]] std::optional<Parameter> next() noexcept;  // skips empty ones ("a&&b")

 private:
  std::string_view rest_;
};

// The decoded value of the first parameter of that (decoded) name.
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace flotilla::http
