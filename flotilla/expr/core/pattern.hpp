// A regular expression for `test`: RE2, so matching takes time linear in the text.
//
// Ownership: a Pattern owns its compiled form. Threads: matching is const and safe. Limits: 64 KiB of
// pattern memory; over it the pattern is refused.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace flotilla::expr {

class Pattern {
 public:
  // `flags`: any of "i" (ignore case), "g" (without effect on a test), "s" (`.` also matches a line feed).
  // The error is a message for people.
  [[nodiscard]] static std::expected<Pattern, std::string> compile(std::string_view text,
                                                                   std::string_view flags);

  [[nodiscard]] bool found_in(std::string_view text) const;

 private:
  explicit Pattern(std::shared_ptr<const re2::RE2> compiled) noexcept : compiled_(std::move(compiled)) {}
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace flotilla::expr
