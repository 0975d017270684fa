// match() against explain(): the index against the rule applied to every route.
#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/gateway/core/router_test_kit.hpp"

namespace flotilla::gateway {
namespace {

// Random tables over a small alphabet, so that routes overlap in every way, against explain(), which looks at
// every route and knows no index.
TEST(RouteExplain, AgreesWithTheRuleOnRandomTables) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto pick = [&random](std::initializer_list<const char*> from) {
      return std::string(from.begin()[random.below(from.size())]);
    };
    std::vector<RouteMatch> routes;
    for (std::uint64_t i = 1 + random.below(40); i > 0; --i) {
      RouteMatch route;
      if (random.below(8) == 0) {
        route.path = pick({"~/a/.*", "~/[ab]/b", "~/a/b/[a-c]+/?", "~.*b", "~/(?P<p>[^/]+)/(?P<q>.*)",
                           "~/b|/a/c", "~/a/b/c"});
      } else {
        const std::uint64_t segments = random.below(4);
        for (std::uint64_t s = 0; s < segments; ++s) {
          route.path += "/" + (random.below(3) == 0 ? "{p" + std::to_string(s) + "}" : pick({"a", "b", "c"}));
        }
        route.path += random.below(3) == 0 ? "/**" : route.path.empty() || random.below(8) == 0 ? "/" : "";
      }
      for (std::uint64_t m = random.below(3); m > 0; --m) {
        route.methods.push_back(pick({"GET", "HEAD", "POST", "BAN"}));
      }
      for (std::uint64_t h = random.below(5) == 0 ? 1 + random.below(2) : 0; h > 0; --h) {
        route.hosts.push_back(pick({"x.y.z", "*.y.z", "*.z", "y.z"}));
      }
      for (std::uint64_t h = random.below(4) == 0 ? 1 + random.below(2) : 0; h > 0; --h) {
        route.headers.push_back({pick({"h1", "h2"}), pick({"1", "2", "~[12]"})});
      }
      routes.push_back(std::move(route));
    }
    const auto router = Router::build(routes);
    ASSERT_TRUE(router) << router.error().message;
    for (int n = 0; n < 100; ++n) {
      TestRequest request{.method = pick({"GET", "HEAD", "POST", "BAN", "NEW"}),
                          .host = pick({"x.y.z", "w.y.z", "y.z", "z", "", "q"})};
      for (std::uint64_t s = random.below(5); s > 0; --s) {
        request.path += "/" + pick({"a", "b", "c", ""});
      }
      request.path += request.path.empty() ? "/" : "";
      for (std::uint64_t h = random.below(3); h > 0; --h) {
        request.headers.emplace_back(pick({"H1", "h2"}), pick({"1", "2", "3"}));
      }
      Captures captures;
      const MatchResult result = router->match(request.input(), captures);
      const Explanation rule = router->explain(request.input());
      ASSERT_EQ(result.kind, rule.result.kind) << request.method << ' ' << request.path;
      ASSERT_EQ(result.route, rule.result.route) << request.method << ' ' << request.path;
      ASSERT_EQ(result.allowed, rule.result.allowed) << request.method << ' ' << request.path;
    }
  }
}

}  // namespace
}  // namespace flotilla::gateway
