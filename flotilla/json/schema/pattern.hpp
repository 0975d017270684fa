// A regular expression of a schema: RE2, so that matching takes time linear in the text.
//
// ECMA-262's \uXXXX is understood beside RE2's own syntax; lookaround and backreferences are refused, since
// no linear matcher has them. A pattern is found anywhere in a text unless it is anchored.
// Ownership: a Pattern owns its compiled form. Threads: matching is const and safe.
// Limits: SchemaLimits::kPatternBytes, and 128 KiB of memory each.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace flotilla::json::schema {

class Pattern {
 public:
  // The error is a message for people.
  [[nodiscard]] static std::expected<Pattern, std::string> compile(std::string_view text);

  [[nodiscard]] bool found_in(std::string_view text) const;
  // What that may cost, in steps of ValidationLimits. RE2 reads most texts in a nanosecond a byte, but where
  // its automaton does not fit into memory each byte costs it a visit of every instruction.
  [[nodiscard]] std::uint64_t steps(std::size_t text_bytes) const noexcept {
    return 1 + text_bytes * instructions_ / 32;
  }
  // As the schema has it.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  Pattern(std::string_view text, std::shared_ptr<const re2::RE2> compiled);
  std::string text_;
  std::uint64_t instructions_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace flotilla::json::schema
