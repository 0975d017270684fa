// Building: limits, messages, and the index of large tables.
#include <gtest/gtest.h>

#include "flotilla/gateway/core/route_index.hpp"
#include "flotilla/gateway/core/router.hpp"

namespace flotilla::gateway {
namespace {

TEST(RouteIndex, FindsFewAndManyChildrenBeforeAndAfterFreezing) {
  RouteIndex index;
  const NodeId root = index.add_root();
  std::vector<NodeId> ids;
  for (int i = 0; i < 100; ++i) {
    const NodeId child = index.add_child(root, "child" + std::to_string(i));
    ids.push_back(child);
    for (int j = 0; j < i % 7; ++j) {
      ids.push_back(index.add_child(child, std::string(static_cast<std::size_t>(j) * 20, 'x')));
    }
    ids.push_back(index.add_parameter(child));
  }
  EXPECT_EQ(index.add_child(root, "child7"), index.find(root, "child7"));
  const std::vector<NodeId> renamed = index.freeze();
  EXPECT_EQ(renamed[root], root);
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    const NodeId child = index.find(root, "child" + std::to_string(i));
    ASSERT_EQ(child, renamed[ids[at++]]);
    for (int j = 0; j < i % 7; ++j) {
      ASSERT_EQ(index.find(child, std::string(static_cast<std::size_t>(j) * 20, 'x')), renamed[ids[at++]]);
    }
    ASSERT_EQ(index.node(child).parameter, renamed[ids[at++]]);
    ASSERT_EQ(index.find(child, "y"), kNoNode);
  }
  EXPECT_EQ(index.find(root, "child100"), kNoNode);
}

TEST(RouterBuild, WrongRoutesAreNamed) {
  const auto message = [](RouteMatch route) {
    const std::vector<RouteMatch> routes{{.path = "/ok"}, std::move(route)};
    const auto router = Router::build(routes);
    return router ? std::string() : router.error().message;
  };
  EXPECT_EQ(message({.path = "x", .where = "f.yaml:3:5"}),
            "f.yaml:3:5: path 'x', column 1: a path begins with '/' (or with '~' for a regular expression)");
  EXPECT_EQ(message({.methods = {"GE T"}, .path = "/"}), "route 1: 'GE T' is not a method");
  for (const std::string host : {"a:80", "*", "*.", "a.*", "", "x.*.y"}) {
    EXPECT_EQ(
        message({.hosts = {host}, .path = "/"}),
        "route 1: host '" + host + "': write a name without port, as in ops.example.com or *.example.com");
  }
  EXPECT_EQ(message({.path = "/", .headers = {{"a b", "x"}}}), "route 1: 'a b' is not a header name");
  EXPECT_EQ(message({.path = "/", .headers = {{"a", "~("}}}),
            "route 1: header a: '~(' is not an RE2 expression: missing ): (");
  EXPECT_NE(message({.hosts = std::vector<std::string>(kMaxHostsPerRoute + 1, "a"), .path = "/"}), "");
  EXPECT_NE(
      message({.path = "/", .headers = std::vector<HeaderCondition>(kMaxHeadersPerRoute + 1, {"a", "b"})}),
      "");
}

TEST(RouterBuild, MethodsAreBounded) {
  std::vector<RouteMatch> routes;
  for (std::size_t i = 0; i < MethodTable::kMaxMethods; ++i) {
    routes.push_back({.methods = {"M" + std::to_string(i)}, .path = "/"});
  }
  EXPECT_EQ(Router::build(routes).error().code, Errc::limit);  // nine are known beforehand
  routes.resize(MethodTable::kMaxMethods - 9);
  const auto router = Router::build(routes);
  ASSERT_TRUE(router);
  Captures captures;
  EXPECT_EQ(router->match({"M54", "", "/"}, captures).route, 54U);
}

// Ten thousand routes make the index grow many times; each must still be found, and its neighbours not.
TEST(RouterBuild, EveryRouteOfALargeTableIsFound) {
  std::vector<RouteMatch> routes;
  for (int i = 0; i < 10'000; ++i) {
    const std::string n = std::to_string(i);
    routes.push_back({.methods = {"GET"}, .path = "/service-" + n + "/v1/items/{id}/" + n});
  }
  const auto router = Router::build(routes);
  ASSERT_TRUE(router);
  EXPECT_TRUE(router->findings().empty());
  Captures captures;
  for (std::uint32_t i = 0; i < routes.size(); ++i) {
    const std::string n = std::to_string(i);
    const std::string path = "/service-" + n + "/v1/items/x/" + n;
    const MatchResult result = router->match({"GET", "", path}, captures);
    ASSERT_EQ(result.kind, MatchResult::Kind::route) << path;
    ASSERT_EQ(result.route, i);
    ASSERT_EQ(captures.get("id"), "x");
    ASSERT_EQ(router->match({"GET", "", path + "x"}, captures).kind, MatchResult::Kind::none);
  }
}

}  // namespace
}  // namespace flotilla::gateway
