// The path of a route, parsed: `/users/{id}`, `/files/**`, `~/v[0-9]+/.*`.
//
// For: the router (router.hpp), which matches it, and the readers of configuration, which report what is
// wrong with it. docs/routing.md is the description for people.
//   /a/b      these segments and no others; `/a` and `/a/` are different paths.
//   {name}    one segment, not empty. A parameter is a whole segment: `/x-{id}` is an error.
//   /**       at the end only: the rest, which may be empty. `/p/**` matches `/p`, `/p/` and `/p/a/b`.
//   ~REGEX    an RE2 expression that must match the whole path (anchored at both ends; a leading `^` and a
//             trailing `$` change nothing). `(?P<name>...)` captures.
// The path of a request is compared in its normal form (http::normalize_path), so the literals of a template
// are brought into it here: `/café` and `/caf%c3%a9` mean the same. A regex is taken as it is. Ownership: a
// value; a compiled regex is shared between copies. Threads: immutable after parse. Limits: 4 KiB of text, 64
// segments, 16 parameters, 1 MiB of memory for a regex's automaton.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"

namespace re2 {
class RE2;
}

namespace flotilla::gateway {

inline constexpr std::size_t kMaxPatternBytes = 4096;
inline constexpr std::size_t kMaxPatternSegments = 64;
inline constexpr std::size_t kMaxParameters = 16;

struct PatternSegment {
  enum class Kind : std::uint8_t { literal, parameter };
  Kind kind = Kind::literal;
  std::string text;  // the literal, or the parameter's name
  friend bool operator==(const PatternSegment&, const PatternSegment&) = default;
};

class RoutePattern {
 public:
  enum class Tail : std::uint8_t {
    none,   // the segments are the whole path
    rest,   // `/**`: anything may follow the segments
    regex,  // the segments are the literal beginning of the regex; the regex decides
  };

  // Errors: Errc::invalid, naming the pattern, the column and the way out.
  [[nodiscard]] static Result<RoutePattern> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<PatternSegment>& segments() const noexcept { return segments_; }
  [[nodiscard]] Tail tail() const noexcept { return tail_; }
  // Not null exactly when tail() is regex.
  [[nodiscard]] const re2::RE2* regex() const noexcept { return regex_.get(); }
  // Names of the parameters in the order in which they stand in the pattern.
  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return parameters_; }
  // For a regex: the number of the group of each parameter.
  [[nodiscard]] const std::vector<int>& groups() const noexcept { return groups_; }

 private:
  [[nodiscard]] Result<> parse_template();
  [[nodiscard]] Result<> parse_segment(std::string_view segment, std::size_t column, bool last);
  [[nodiscard]] Result<> parse_regex();
  [[nodiscard]] std::unexpected<Error> error(std::size_t column, std::string_view what) const;

  std::string text_;
  std::vector<PatternSegment> segments_;
  Tail tail_ = Tail::none;
  std::shared_ptr<const re2::RE2> regex_;
  std::vector<std::string> parameters_;
  std::vector<int> groups_;
};

}  // namespace flotilla::gateway
