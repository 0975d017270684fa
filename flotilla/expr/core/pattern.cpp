#include "flotilla/expr/core/pattern.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

namespace flotilla::expr {

std::expected<Pattern, std::string> Pattern::compile(std::string_view text, std::string_view flags) {
  constexpr std::int64_t kMemory = 64 << 10;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemory);
  for (const char flag : flags) {
    switch (flag) {
      case 'g':
        break;
      case 'i':
        options.set_case_sensitive(false);
        break;
      case 's':
        options.set_dot_nl(true);
        break;
      default:
        return std::unexpected(fmt::format("{} is not a valid modifier string (known: g, i, s)", flags));
    }
  }
  auto compiled = std::make_shared<const re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!compiled->ok()) {
    return std::unexpected(fmt::format("\"{}\" is not a regular expression: {}", text, compiled->error()));
  }
  return Pattern(std::move(compiled));
}

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace flotilla::expr
