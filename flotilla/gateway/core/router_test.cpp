#include "flotilla/gateway/core/router.hpp"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/gateway/core/match_input.hpp"
#include "flotilla/gateway/core/router_test_kit.hpp"
#include "flotilla/http/core/http1_parser.hpp"

namespace flotilla::gateway {
namespace {

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

// A head as a server has it, parsed from bytes.
TEST(Router, ReadsARequestHead) {
  const std::vector<RouteMatch> routes{
      {.methods = {"PURGE"}, .hosts = {"shop.example"}, .path = "/x/{id}", .headers = {{"X-Env", "b"}}}};
  const auto router = Router::build(routes);
  ASSERT_TRUE(router);
  http::RequestHead head;
  const std::string bytes = "PURGE /x/7 HTTP/1.1\r\nHost: Shop.Example:80\r\nx-env: a\r\nx-env: b\r\n\r\n";
  ASSERT_EQ(http::parse_request_head(bytes, {}, head).state, http::ParseOutcome::State::done);
  Captures captures;
  const MatchResult result = router->match(match_input(head, head.path), captures);
  EXPECT_EQ(result.kind, MatchResult::Kind::route);
  EXPECT_EQ(captures.get("id"), "7");
}

TEST(Router, AnEmptyTableMatchesNothing) {
  const auto router = Router::build({});
  ASSERT_TRUE(router);
  Captures captures;
  EXPECT_EQ(router->match({"GET", "a", "/"}, captures).kind, MatchResult::Kind::none);
  EXPECT_EQ(router->match({"GET", "a", ""}, captures).kind, MatchResult::Kind::none);
}

}  // namespace
}  // namespace flotilla::gateway
