// Router::explain: the rule of docs/routing.md applied directly to every route, for people. It shares the
// compiled routes with match(), but not the index: the two are checked against each other in tests.
#include <algorithm>
#include <limits>
#include <tuple>

#include <fmt/format.h>

#include "flotilla/gateway/core/router_data.hpp"

namespace flotilla::gateway {
namespace {

constexpr std::size_t kExactHost = std::numeric_limits<std::size_t>::max();

struct Contender {
  std::uint32_t route = 0;
  std::optional<std::size_t> host;  // kExactHost, the bytes of the suffix, 0 for any; nothing: does not match
  std::size_t conditions = 0;
  MethodRank method = MethodRank::named;
  std::string mismatch = {};  // empty: the route matches
};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t next = std::min(path.find('/', 1), path.size());
    segments.push_back(path.substr(1, next - 1));
    path.remove_prefix(next);
  }
  return segments;
}

bool path_matches(const RoutePattern& pattern, std::string_view path) {
  if (pattern.tail() == RoutePattern::Tail::regex) {
    return re2::RE2::FullMatch(path, *pattern.regex());
  }
  const std::vector<std::string_view> actual = split(path);
  const auto& wanted = pattern.segments();
  if (actual.size() < wanted.size() ||
      (actual.size() > wanted.size() && pattern.tail() == RoutePattern::Tail::none)) {
    return false;
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool parameter = wanted[i].kind == PatternSegment::Kind::parameter;
    if (parameter ? actual[i].empty() : actual[i] != wanted[i].text) {
      return false;
    }
  }
  return true;
}

std::optional<std::size_t> host_rank(const CompiledRoute& route, std::string_view host) {
  if (route.hosts.empty()) {
    return 0;
  }
  std::optional<std::size_t> best;
  for (const std::string_view wanted : route.hosts) {
    if (wanted == host) {
      return kExactHost;
    }
    if (wanted.starts_with("*.") && host.size() > wanted.size() - 1 && host.ends_with(wanted.substr(1))) {
      best = std::max(best.value_or(0), wanted.size() - 1);
    }
  }
  return best;
}

// What a pattern has at position i, better first. Both patterns compared match the same path, so a pattern
// that has ended stands against another end or a `/**`.
enum class Part : std::uint8_t { literal, parameter, end, regex, rest };

Part part_at(const RoutePattern& pattern, std::size_t i) {
  if (i < pattern.segments().size()) {
    return pattern.segments()[i].kind == PatternSegment::Kind::literal ? Part::literal : Part::parameter;
  }
  switch (pattern.tail()) {
    case RoutePattern::Tail::none:
      return Part::end;
    case RoutePattern::Tail::rest:
      return Part::rest;
    case RoutePattern::Tail::regex:
      return Part::regex;
  }
  return Part::end;
}

std::string_view describe(Part part) {
  switch (part) {
    case Part::literal:
      return "a literal segment";
    case Part::parameter:
      return "a parameter";
    case Part::end:
      return "the end of the path";
    case Part::regex:
      return "a regular expression";
    case Part::rest:
      return "'/**'";
  }
  return "";
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    text += (text.empty() ? "" : ", ") + part;
  }
  return text;
}

}  // namespace

class Explaining {
 public:
  Explaining(const Router::Data& data, const MatchInput& input)
      : data_(data), input_(input), host_(input.host), method_(data.methods.find(input.method)) {}

  Explanation run() {
    std::vector<Contender> contenders;
    MethodSet allowed = 0;
    for (std::uint32_t i = 0; i < data_.routes.size() && input_.path.starts_with('/'); ++i) {
      if (path_matches(data_.routes[i].pattern, input_.path)) {
        contenders.push_back(contender(i, allowed));
      }
    }
    std::ranges::sort(contenders,
                      [this](const Contender& a, const Contender& b) { return why_first(a, b).first; });
    Explanation explanation;
    const auto winner =
        std::ranges::find_if(contenders, [](const Contender& c) { return c.mismatch.empty(); });
    if (winner != contenders.end()) {
      explanation.result = {.kind = MatchResult::Kind::route, .route = winner->route};
    } else if (allowed != 0) {
      explanation.result = {.kind = MatchResult::Kind::method_not_allowed, .allowed = allowed};
    }
    for (const Contender& c : contenders) {
      if (explanation.candidates.size() == kMaxExplained) {
        explanation.truncated = true;
        break;
      }
      std::string why =
          !c.mismatch.empty() ? "does not match: " + c.mismatch
          : &c == &*winner
              ? std::string(c.method == MethodRank::head_by_get ? "wins: GET answers HEAD" : "wins")
              : fmt::format("loses to {}: {}", data_.routes[winner->route].where,
                            why_first(*winner, c).second);
      explanation.candidates.push_back({c.route, c.mismatch.empty(), std::move(why)});
    }
    return explanation;
  }

 private:
  Contender contender(std::uint32_t id, MethodSet& allowed) const {
    const CompiledRoute& route = data_.routes[id];
    Contender c{.route = id, .host = host_rank(route, host_.text()), .conditions = route.conditions_count};
    c.method = route.methods == 0               ? MethodRank::any
               : (route.methods & method_) != 0 ? MethodRank::named
                                                : MethodRank::head_by_get;
    if (!c.host) {
      c.mismatch = fmt::format("host '{}' is not among {}", host_.text(), join(route.hosts));
      return c;
    }
    for (std::size_t i = 0; i < route.conditions_count; ++i) {
      const Condition& condition = data_.conditions[route.conditions_begin + i];
      if (!condition.holds(input_.headers)) {
        c.mismatch = fmt::format("header {} is not '{}'", condition.name, condition.value);
        return c;
      }
    }
    const MethodSet takes =
        route.methods | ((route.methods & MethodTable::kGet) != 0 ? MethodTable::kHead : 0);
    if (takes != 0 && (takes & method_) == 0) {
      allowed |= takes;
      c.mismatch = fmt::format("method {} is not among {}", input_.method, data_.methods.names(takes));
    }
    return c;
  }

  // Whether a goes before b, and why the one that goes first does.
  [[nodiscard]] std::pair<bool, std::string> why_first(const Contender& a, const Contender& b) const {
    if (a.host != b.host) {
      return {a.host > b.host, "its host is less specific"};
    }
    const RoutePattern& pa = data_.routes[a.route].pattern;
    const RoutePattern& pb = data_.routes[b.route].pattern;
    for (std::size_t i = 0;; ++i) {
      const Part x = part_at(pa, i);
      const Part y = part_at(pb, i);
      if (x != y) {
        return {x < y, fmt::format("{} goes before {} at segment {}", describe(x), describe(y), i + 1)};
      }
      if (x != Part::literal && x != Part::parameter) {
        break;
      }
    }
    if (a.conditions != b.conditions) {
      return {a.conditions > b.conditions, "it has fewer header conditions"};
    }
    if (a.method != b.method) {
      return {a.method < b.method, "the method is named there, and here is not"};
    }
    return {a.route < b.route, "it comes later"};
  }

  const Router::Data& data_;
  const MatchInput& input_;
  HostKey host_;
  MethodSet method_;
};

Explanation Router::explain(const MatchInput& input) const { return Explaining(*data_, input).run(); }

}  // namespace flotilla::gateway
