#include "flotilla/gateway/core/router.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::gateway {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::optional<std::string_view> nth_header(const void* head, std::string_view name, std::size_t n) {
  for (const auto& [key, value] : *static_cast<const Headers*>(head)) {
    if (iequals(key, name) && n-- == 0) {
      return value;
    }
  }
  return std::nullopt;
}

struct TestRequest {
  std::string method;
  std::string host = {};
  std::string path = {};
  Headers headers = {};
  [[nodiscard]] MatchInput input() const { return {method, host, path, {&headers, nth_header}}; }
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

std::pair<std::string, std::string> header_of(const std::string& word) {
  const std::size_t colon = word.find(':');
  return {word.substr(7, colon - 7), word.substr(colon + 1)};
}

// "NAME METHODS [host=] [header=] PATH"
RouteMatch route_of(const std::vector<std::string>& words) {
  RouteMatch route{.path = words.back(), .where = words[1]};
  if (words[2] != "*") {
    route.methods = split_at_commas(words[2]);
  }
  for (std::size_t i = 3; i + 1 < words.size(); ++i) {
    if (words[i].starts_with("host=")) {
      route.hosts = split_at_commas(words[i].substr(5));
    } else {
      const auto [name, value] = header_of(words[i]);
      route.headers.push_back({name, value});
    }
  }
  return route;
}

TestRequest request_of(const std::vector<std::string>& words, std::size_t from) {
  TestRequest request{.method = words[from], .path = words[from + 1]};
  for (std::size_t i = from + 2; i < words.size() && words[i] != "=>"; ++i) {
    if (words[i].starts_with("host=")) {
      request.host = words[i].substr(5);
    } else {
      request.headers.push_back(header_of(words[i]));
    }
  }
  return request;
}

std::string answer(const Router& router, std::span<const RouteMatch> routes, const TestRequest& request) {
  Captures captures;
  const MatchResult result = router.match(request.input(), captures);
  switch (result.kind) {
    case MatchResult::Kind::none:
      return "404";
    case MatchResult::Kind::method_not_allowed:
      return "405 " + router.allow(result);
    case MatchResult::Kind::route:
      break;
  }
  std::string text = routes[result.route].where;
  for (std::size_t i = 0; i < captures.size(); ++i) {
    text += " " + std::string(captures.name(i)) + "=" + std::string(captures.value(i));
  }
  return captures.rest().empty() ? text : text + " rest=" + std::string(captures.rest());
}

// One scenario of testdata/router.txt.
class Scenario {
 public:
  void add(const std::string& line, int number) {
    const auto words = words_of(line);
    if (words[0] == "route") {
      routes_.push_back(route_of(words));
    } else if (words[0] == "finding") {
      findings_.push_back(line.substr(line.find(' ') + 1));
    } else {
      steps_.emplace_back(number, line);
    }
  }

  // Returns how many expectations were checked.
  int run() const {
    const auto router = Router::build(routes_);
    EXPECT_TRUE(router) << router.error().message;
    if (!router) {
      return 0;
    }
    std::vector<std::string> findings;
    for (const RouteFinding& finding : router->findings()) {
      findings.push_back(finding.message);
    }
    EXPECT_EQ(findings, findings_);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const auto& [number, line] = steps_[i];
      const auto words = words_of(line);
      if (words[0] == "explain") {
        i = check_explanation(*router, i);
        continue;
      }
      const TestRequest request = request_of(words, 0);
      const std::string expected = line.substr(line.find("=> ") + 3);
      EXPECT_EQ(answer(*router, routes_, request), expected) << "line " << number << ": " << line;
      const Explanation explanation = router->explain(request.input());
      Captures captures;
      const MatchResult result = router->match(request.input(), captures);
      EXPECT_EQ(explanation.result.kind, result.kind) << "line " << number;
      EXPECT_EQ(explanation.result.route, result.route) << "line " << number;
      EXPECT_EQ(explanation.result.allowed, result.allowed) << "line " << number;
    }
    return static_cast<int>(steps_.size());
  }

 private:
  std::size_t check_explanation(const Router& router, std::size_t at) const {
    const TestRequest request = request_of(words_of(steps_[at].second), 1);
    std::vector<std::string> expected;
    while (at + 1 < steps_.size() && steps_[at + 1].second.starts_with("| ")) {
      expected.push_back(steps_[++at].second.substr(2));
    }
    std::vector<std::string> actual;
    for (const RouteVerdict& verdict : router.explain(request.input()).candidates) {
      actual.push_back(routes_[verdict.route].where + ": " + verdict.why);
    }
    EXPECT_EQ(actual, expected) << "line " << steps_[at].first;
    return at;
  }

  std::vector<RouteMatch> routes_;
  std::vector<std::string> findings_;
  std::vector<std::pair<int, std::string>> steps_;
};

TEST(Router, GoldenScenarios) {
  std::ifstream file(FLOTILLA_SOURCE_DIR "/flotilla/gateway/testdata/router.txt");
  ASSERT_TRUE(file);
  std::map<std::string, Scenario> scenarios;
  std::string name;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("scenario ")) {
      name = line.substr(9);
    } else if (!line.empty() && line[0] != '#') {
      scenarios[name].add(line, number);
    }
  }
  int checked = 0;
  for (const auto& [title, scenario] : scenarios) {
    SCOPED_TRACE(title);
    checked += scenario.run();
  }
  EXPECT_GT(checked, 100);
}

TEST(Router, WrongRoutesAreNamed) {
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

TEST(Router, MethodsAreBounded) {
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

TEST(Router, AnEmptyTableMatchesNothing) {
  const auto router = Router::build({});
  ASSERT_TRUE(router);
  Captures captures;
  EXPECT_EQ(router->match({"GET", "a", "/"}, captures).kind, MatchResult::Kind::none);
  EXPECT_EQ(router->match({"GET", "a", ""}, captures).kind, MatchResult::Kind::none);
}

// Ten thousand routes make the index grow many times; each must still be found, and its neighbours not.
TEST(Router, EveryRouteOfALargeTableIsFound) {
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

// Random tables over a small alphabet, so that routes overlap in every way, against explain(), which looks at
// every route and knows no index.
TEST(Router, AgreesWithTheRuleOnRandomTables) {
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
