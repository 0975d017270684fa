#include "flotilla/gateway/core/route_fuzz.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"
#include "flotilla/gateway/core/router.hpp"

namespace flotilla::gateway::fuzz {

void routes(std::span<const std::byte> input) {
  constexpr std::size_t kMostRoutes = 32;
  std::string_view rest(reinterpret_cast<const char*>(input.data()), input.size());
  const auto next_line = [&rest] {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
  };
  const std::string_view path = next_line();
  std::vector<RouteMatch> matches;
  while (!rest.empty() && matches.size() < kMostRoutes) {
    if (const std::string_view pattern = next_line(); RoutePattern::parse(pattern)) {
      matches.push_back({.path = std::string(pattern)});
    }
  }
  const auto router = Router::build(matches);
  FLOTILLA_ASSERT(router.has_value());
  const MatchInput request{.method = "GET", .host = "", .path = path};
  Captures captures;
  const MatchResult result = router->match(request, captures);
  const Explanation rule = router->explain(request);
  FLOTILLA_ASSERT(result.kind == rule.result.kind && result.route == rule.result.route);
  for (std::size_t i = 0; result.kind == MatchResult::Kind::route && i < captures.size(); ++i) {
    FLOTILLA_ASSERT(path.contains(captures.value(i)));
  }
}

}  // namespace flotilla::gateway::fuzz
