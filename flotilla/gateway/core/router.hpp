// The router: which route takes a request, what the path's parameters are, and, if none does, whether it is a
// 404 or a 405 with which Allow.
//
// Built once from the routes of a gateway, then immutable: all workers share one Router and a reload swaps
// it. A route matches when its methods, hosts, path and header conditions all do. Among those that match, one
// order decides, and nothing else does (docs/routing.md):
//   1. host: exact, then `*.suffix` (the longer first), then routes without hosts;
//   2. path, segment by segment from the left: literal, then {name}, then ~REGEX, then `/**`;
//   3. more header conditions first;
//   4. methods: named (a HEAD route before a GET route, which also answers HEAD), then any;
//   5. the order of the routes.
// OPTIONS has no automatic answer: without a route for it, it is a 405 like others.
// Cost: one hash lookup per segment of the path, whatever the number of routes; regexes run only where their
// literal beginning leads; nothing is allocated but what RE2 itself does.
// Threads: const functions from any thread. Limits: constants below; build() refuses what exceeds them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/gateway/core/method_set.hpp"
#include "flotilla/gateway/core/route_pattern.hpp"

namespace flotilla::gateway {

inline constexpr std::size_t kMaxRoutes = 1'000'000;
inline constexpr std::size_t kMaxHostsPerRoute = 64;
inline constexpr std::size_t kMaxHeadersPerRoute = 16;
inline constexpr std::size_t kMaxExplained = 50;

struct HeaderCondition {
  std::string name;   // compared without case
  std::string value;  // the exact value, or `~REGEX` for an RE2 expression over the whole value
};

// What a route asks of a request.
struct RouteMatch {
  std::vector<std::string> methods = {};  // empty: any
  std::vector<std::string> hosts =
      {};                 // empty: any; `a.example.com`, or `*.example.com` for all names below it
  std::string path = {};  // route_pattern.hpp
  std::vector<HeaderCondition> headers = {};  // all of them; of a repeated header, one value suffices
  std::string where = {};                     // "flotilla.yaml:31:9": names the route in findings
};

// How the router reads headers without knowing the message's type: the nth value of a name, or nothing.
struct HeaderLookup {
  using Nth = std::optional<std::string_view> (*)(const void* head, std::string_view name, std::size_t n);
  const void* head = nullptr;
  Nth nth = nullptr;
};

struct MatchInput {
  std::string_view method;
  std::string_view host;  // as in Host or :authority; case, a port and a final dot do not matter
  std::string_view path;  // normalised, beginning with '/', without the query
  HeaderLookup headers = {};
};

// The parameters of one match. The values point into the input's path, percent-escapes as they stand there;
// the names into the router. Reuse one object for many matches.
class Captures {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] std::string_view name(std::size_t i) const noexcept { return names_[i]; }
  [[nodiscard]] std::string_view value(std::size_t i) const noexcept { return values_[i]; }
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if (names_[i] == name) {
        return values_[i];
      }
    }
    return std::nullopt;
  }
  // What `/**` took, its slash included; empty when the path ended before it, and for other patterns.
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  friend class Matching;
  std::array<std::string_view, kMaxParameters> values_;
  const std::string* names_ = nullptr;
  std::size_t count_ = 0;
  std::string_view rest_;
};

struct MatchResult {
  enum class Kind : std::uint8_t { none, route, method_not_allowed };
  Kind kind = Kind::none;
  std::uint32_t route = 0;  // index into the routes given to build(), when kind is route
  MethodSet allowed = 0;    // when kind is method_not_allowed: Router::allow() names them
};

// Something the author of the routes should know; never a reason to refuse them here.
struct RouteFinding {
  enum class Kind : std::uint8_t {
    unreachable,  // `by` takes every request that `route` matches
    shadowed,     // `by` takes some of them: those with the methods or the hosts that both name
  };
  Kind kind;
  std::uint32_t route;
  std::uint32_t by;
  std::string message;  // names both positions
};

struct RouteVerdict {
  std::uint32_t route;
  bool matches;     // the first that matches is the one that wins
  std::string why;  // "wins: ...", "loses to route 3 (where): ...", "does not match: ..."
};

struct Explanation {
  MatchResult result;
  std::vector<RouteVerdict> candidates;  // routes whose path matches, in order of precedence
  bool truncated = false;                // there are more than kMaxExplained
};

class Router {
 public:
  // Errors: the first route that is wrong, with its `where`.
  [[nodiscard]] static Result<Router> build(std::span<const RouteMatch> routes);

  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  // `out` is meaningful only when the result is a route, and while the router and the path live.
  [[nodiscard]] MatchResult match(const MatchInput& input, Captures& out) const;

  // "GET, HEAD": the value of Allow for a method_not_allowed result.
  [[nodiscard]] std::string allow(const MatchResult& result) const;

  // In order of `route`. Regexes and header conditions are compared as text: two that are written differently
  // are taken to differ.
  [[nodiscard]] const std::vector<RouteFinding>& findings() const noexcept;

  // For `flotilla routes --explain`: slow (looks at every route), independent of the index match() uses.
  [[nodiscard]] Explanation explain(const MatchInput& input) const;

  [[nodiscard]] std::size_t size() const noexcept;

 private:
  friend class RouterBuilder;
  friend class Matching;
  friend class Explaining;
  struct Data;
  explicit Router(std::unique_ptr<const Data> data);
  std::unique_ptr<const Data> data_;
};

}  // namespace flotilla::gateway
