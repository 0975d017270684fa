// A regular expression of a schema: RE2, so that matching takes time linear in the text.
//
// ECMA-262's \uXXXX is understood beside RE2's own syntax; lookaround and backreferences are refused, since
// no linear matcher has them. A pattern is found anywhere in a text unless it is anchored.
// Ownership: a Pattern owns its compiled form. Threads: matching is const and safe.
// Limits: SchemaLimits::kPatternBytes, and 128 KiB of memory each.
#pragma once

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
  // As the schema has it.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  Pattern(std::string_view text, std::shared_ptr<const re2::RE2> compiled)
      : text_(text), compiled_(std::move(compiled)) {}
  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace flotilla::json::schema
