#include "flotilla/json/schema/pattern.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <re2/re2.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/schema/excerpt.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json::schema {
namespace {

// The value of the "\uXXXX" that `text` begins with.
std::optional<std::uint32_t> unicode_escape(std::string_view text) noexcept {
  if (text.size() < 6 || !text.starts_with("\\u")) {
    return std::nullopt;
  }
  std::uint32_t code = 0;
  for (const char c : text.substr(2, 4)) {
    if (hex_digit(c) < 0) {
      return std::nullopt;
    }
    code = code * 16 + static_cast<std::uint32_t>(hex_digit(c));
  }
  return code;
}

// \uXXXX as RE2 writes it, \x{XXXX}; a pair of surrogates is one character.
std::string translated(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t length = 1;
    if (auto code = unicode_escape(text)) {
      length = 6;
      const auto low = unicode_escape(text.substr(length));
      if (*code >= 0xd800 && *code < 0xdc00 && low && *low >= 0xdc00 && *low < 0xe000) {
        code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
        length = 12;
      }
      out += fmt::format("\\x{{{:x}}}", *code);
    } else {
      length = text.front() == '\\' && text.size() > 1 ? 2 : 1;
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

// What people miss most, named, since RE2's own words do not say why.
std::string_view missing_feature(std::string_view text) noexcept {
  for (const std::string_view look : {"(?=", "(?!", "(?<=", "(?<!"}) {
    if (text.contains(look)) {
      return "; lookaround is not supported";
    }
  }
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && (is_digit(text[i + 1]) || text[i + 1] == 'k')) {
      return "; backreferences are not supported";
    }
    i += text[i] == '\\' ? 1U : 0U;
  }
  return "";
}

}  // namespace

Pattern::Pattern(std::string_view text, std::shared_ptr<const re2::RE2> compiled)
    : text_(text),
      instructions_(static_cast<std::uint64_t>(compiled->ProgramSize())),
      compiled_(std::move(compiled)) {}

std::expected<Pattern, std::string> Pattern::compile(std::string_view text) {
  if (text.size() > SchemaLimits::kPatternBytes) {
    return std::unexpected(
        fmt::format("a pattern has at most {} bytes, this one {}", SchemaLimits::kPatternBytes, text.size()));
  }
  constexpr std::int64_t kMemory = 128 << 10;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemory);
  auto compiled = std::make_shared<const re2::RE2>(translated(text), options);
  if (!compiled->ok()) {
    return std::unexpected(fmt::format("{} is not a regular expression of RE2: {}{}", excerpt(text),
                                       excerpt(compiled->error()), missing_feature(text)));
  }
  return Pattern(text, std::move(compiled));
}

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace flotilla::json::schema
