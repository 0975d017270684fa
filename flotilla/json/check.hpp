// Is this text one complete JSON value? Answers without building it, and says where it is not.
//
// For: splicing bodies into an answer without parsing them, and the reader's error messages. Accepts exactly
// what the reader accepts (reader.hpp), duplicate keys included. Ownership, threads: pure.
// Limits: `depth` levels of nesting.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace flotilla::json {

inline constexpr std::size_t kDefaultDepth = 64;

struct Fault {
  std::size_t offset;     // in bytes from the start of the text
  std::string_view what;  // "a string is not closed"; static text
};

inline constexpr std::string_view kTooDeep = "nested too deep";

// The first fault, or nothing where the text is one JSON value with nothing but blanks around it.
[[nodiscard]] std::optional<Fault> find_fault(std::string_view text,
                                              std::size_t depth = kDefaultDepth) noexcept;

[[nodiscard]] inline bool is_complete_json(std::string_view text,
                                           std::size_t depth = kDefaultDepth) noexcept {
  return !find_fault(text, depth).has_value();
}

}  // namespace flotilla::json
