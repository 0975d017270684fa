#include "flotilla/json/schema/messages.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/schema/excerpt.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::json::schema {
namespace {

// "a, b or c"
std::string alternatives(const std::vector<std::string>& texts) {
  std::string out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out += i == 0 ? "" : i + 1 == texts.size() ? " or " : ", ";
    out += texts[i];
  }
  return out;
}

std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

}  // namespace

std::string describe(const Types& rule, const Value& value) {
  std::vector<std::string> names;
  for (const Kind kind : {Kind::null, Kind::boolean, Kind::number, Kind::string, Kind::array, Kind::object}) {
    if ((rule.kinds & kind_bit(kind)) != 0) {
      names.emplace_back(to_string(kind));
    } else if (kind == Kind::number && rule.integers) {
      names.emplace_back("integer");
    }
  }
  return fmt::format("must be {}, is {}", alternatives(names), to_string(value.kind()));
}

std::string describe(const OneOfValues& rule) {
  constexpr std::size_t kMost = 10;
  constexpr std::size_t kMostBytes = 60;
  if (rule.values.empty()) {
    return "can be no value at all";
  }
  std::vector<std::string> texts;
  for (const Value& value : rule.values) {
    if (texts.size() == kMost && rule.values.size() > kMost) {
      texts.push_back(fmt::format("one of {} others", rule.values.size() - kMost));
      break;
    }
    texts.push_back(excerpt(write(value), kMostBytes));
  }
  return "must be " + alternatives(texts);
}

std::string describe(const Bound& rule) {
  constexpr std::string_view kWords[] = {"at least", "above", "at most", "below"};
  return fmt::format("must be {} {}", kWords[static_cast<std::size_t>(rule.is)],
                     excerpt(rule.limit.number_text()));
}

std::string describe(const Size& rule, Kind kind, std::uint64_t size) {
  const std::string limit = kind == Kind::string  ? counted(rule.limit, "character", "characters")
                            : kind == Kind::array ? counted(rule.limit, "element", "elements")
                                                  : counted(rule.limit, "property", "properties");
  return fmt::format("must have at {} {}, has {}", rule.is_most ? "most" : "least", limit, size);
}

std::string describe(const Contains& rule, std::uint64_t matching) {
  const bool few = matching < rule.least;
  const std::string limit = counted(few ? rule.least : rule.most, "matching element", "matching elements");
  return fmt::format("must contain at {} {}, contains {}", few ? "least" : "most", limit, matching);
}

std::string describe_unknown(const Properties& rule, std::string_view name) {
  constexpr std::size_t kMostCompared = 200;  // so that a long list of names costs little per fault
  std::vector<std::string_view> known;
  for (std::size_t i = 0; i < std::min(rule.named.size(), kMostCompared); ++i) {
    known.push_back(rule.named[i].first);
  }
  const auto close = nearest(name, known);
  return close ? fmt::format("is not a known property; did you mean \"{}\"?", *close)
               : "is not a known property";
}

}  // namespace flotilla::json::schema
