#include "flotilla/gateway/core/route_pattern.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <re2/re2.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::gateway {
namespace {

constexpr std::int64_t kRegexMemory = 1 << 20;
constexpr std::size_t kMaxNameBytes = 64;

bool is_letter(char c) noexcept { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && !is_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

bool quantifies(char c) noexcept { return c == '*' || c == '+' || c == '?' || c == '{'; }

// The literal text every match of `regex` begins with, as far as it is easily seen: it ends at the first
// character with a meaning, and an alternation at the top has none.
std::string literal_beginning(std::string_view regex) {
  int depth = 0;
  bool in_class = false;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c == '\\') {
      if (i + 1 < regex.size() && regex[i + 1] == 'Q') {
        return {};  // \Q...\E: not worth following
      }
      ++i;
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
      i += regex.substr(i + 1).starts_with("^]") ? 2U : regex.substr(i + 1).starts_with("]") ? 1U : 0U;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      --depth;
    } else if (c == '|' && depth == 0) {
      return {};
    }
  }
  std::string literal;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    char c = regex[i];
    if (c == '\\') {
      if (i + 1 == regex.size() || is_letter(regex[i + 1]) || is_digit(regex[i + 1])) {
        break;
      }
      c = regex[++i];
    } else if (std::string_view(".[](){}*+?^$|").contains(c)) {
      break;
    }
    if (i + 1 < regex.size() && quantifies(regex[i + 1])) {
      break;
    }
    literal.push_back(c);
  }
  return literal;
}

}  // namespace

std::unexpected<Error> RoutePattern::error(std::size_t column, std::string_view what) const {
  return fail(Errc::invalid, fmt::format("path '{}', column {}: {}", text_, column, what));
}

Result<RoutePattern> RoutePattern::parse(std::string_view text) {
  if (text.size() > kMaxPatternBytes) {
    return fail(Errc::limit,
                fmt::format("a path of {} bytes; at most {} are taken", text.size(), kMaxPatternBytes));
  }
  RoutePattern pattern;
  pattern.text_ = text;
  const auto parsed = text.starts_with('~') ? pattern.parse_regex() : pattern.parse_template();
  if (!parsed) {
    return std::unexpected(parsed.error());
  }
  return pattern;
}

Result<> RoutePattern::parse_template() {
  std::string_view text = text_;
  if (!text.starts_with('/')) {
    return error(1, "a path begins with '/' (or with '~' for a regular expression)");
  }
  if (text.ends_with("/**")) {
    tail_ = Tail::rest;
    text.remove_suffix(3);
  }
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = at + 1;
    const std::size_t end = std::min(text.find('/', begin), text.size());
    if (segments_.size() == kMaxPatternSegments) {
      return error(begin + 1, fmt::format("more than {} segments", kMaxPatternSegments));
    }
    if (auto ok = parse_segment(text.substr(begin, end - begin), begin + 1, end == text.size()); !ok) {
      return ok;
    }
    at = end;
  }
  return {};
}

Result<> RoutePattern::parse_segment(std::string_view segment, std::size_t column, bool last) {
  if (segment.empty() && (!last || tail_ == Tail::rest)) {
    return error(column, "an empty segment; write a single '/'");
  }
  if (segment == "." || segment == "..") {
    return error(column, "a request's path has no dot segments, so this never matches");
  }
  if (segment.starts_with('{') && segment.ends_with('}')) {
    const std::string_view name = segment.substr(1, segment.size() - 2);
    if (!is_name(name)) {
      return error(column + 1,
                   "a parameter's name is letters, digits and '_', at most 64, and no digit first");
    }
    if (std::ranges::find(parameters_, name) != parameters_.end()) {
      return error(column + 1, fmt::format("the parameter '{}' stands twice", name));
    }
    if (parameters_.size() == kMaxParameters) {
      return error(column, fmt::format("more than {} parameters", kMaxParameters));
    }
    parameters_.emplace_back(name);
    segments_.push_back({PatternSegment::Kind::parameter, std::string(name)});
    return {};
  }
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const char c = segment[i];
    if (c == '{' || c == '}') {
      return error(column + i,
                   "a parameter is a whole segment, as in /users/{id}; write ~REGEX for a part of one");
    }
    if (c == '*') {
      return error(column + i, "'/**' stands only at the end; write {name} for one segment, or ~REGEX");
    }
    if (c == '?' || c == '#') {
      return error(column + i, "a route matches the path; the query is not part of it");
    }
  }
  const std::string path = fmt::format("/{}", segment);
  std::string scratch;
  const auto normal = http::normalize_path(path, scratch);
  if (!normal) {
    return error(column, "this segment has a control character, or a '%' without two hexadecimal digits");
  }
  segments_.push_back({PatternSegment::Kind::literal, std::string(normal->path.substr(1))});
  return {};
}

Result<> RoutePattern::parse_regex() {
  tail_ = Tail::regex;
  std::string_view text = std::string_view(text_).substr(1);
  if (text.starts_with('^')) {
    text.remove_prefix(1);
  }
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_max_mem(kRegexMemory);
  auto regex = std::make_shared<const re2::RE2>(text, options);
  if (!regex->ok()) {
    return error(2, fmt::format("not an RE2 expression: {}", regex->error()));
  }
  for (const auto& [group, name] : regex->CapturingGroupNames()) {
    parameters_.push_back(name);
    groups_.push_back(group);
  }
  if (regex->NumberOfCapturingGroups() > static_cast<int>(kMaxParameters)) {
    return error(2,
                 fmt::format("more than {} groups; write (?:...) where nothing is captured", kMaxParameters));
  }
  regex_ = std::move(regex);
  // Whole literal segments in front decide where the regex ranks, and spare running it for other paths.
  const std::string literal = literal_beginning(text);
  if (literal.starts_with('/')) {
    std::size_t at = 0;
    for (std::size_t end = literal.find('/', 1);
         end != std::string::npos && segments_.size() < kMaxPatternSegments;
         end = literal.find('/', end + 1)) {
      segments_.push_back({PatternSegment::Kind::literal, literal.substr(at + 1, end - at - 1)});
      at = end;
    }
  }
  return {};
}

}  // namespace flotilla::gateway
