// Router::match at 10, 10,000 and 100,000 routes (DESIGN 8: at most 1.2 times the CPU of 10 routes).
//
// `hot` cycles through the same number of requests at every size, as traffic does that is concentrated on
// some routes; `uniform` asks for every route equally often, so that beyond the caches each lookup also pays
// for the nodes it touches first. The request's own bytes are prefetched: a server has just received them.
#include <benchmark/benchmark.h>

#include "flotilla/base/random.hpp"
#include "flotilla/gateway/core/router.hpp"

namespace {

using flotilla::gateway::Captures;
using flotilla::gateway::MatchResult;
using flotilla::gateway::RouteMatch;
using flotilla::gateway::Router;

struct Table {
  std::vector<std::string> paths;
  std::optional<Router> router;

  explicit Table(std::size_t routes) {
    std::vector<RouteMatch> matches;
    for (std::size_t i = 0; matches.size() < routes; ++i) {
      const std::string service = "/api/service-" + std::to_string(i);
      const auto add = [&](std::string method, std::string pattern, std::string path) {
        if (matches.size() < routes) {
          matches.push_back({.methods = {std::move(method)}, .path = service + pattern});
          paths.push_back(service + path);
        }
      };
      add("GET", "/users/{id}", "/users/12345");
      add("GET", "/users/{id}/orders", "/users/12345/orders");
      add("GET", "/files/**", "/files/a/b/c");
      add("GET", "/status", "/status");
    }
    auto built = Router::build(matches);
    if (built) {
      router.emplace(*std::move(built));
    }
  }
};

Table& table(std::size_t routes) {
  static std::map<std::size_t, Table> tables;
  return tables.try_emplace(routes, routes).first->second;
}

void match(benchmark::State& state, std::size_t distinct) {
  Table& tested = table(static_cast<std::size_t>(state.range(0)));
  flotilla::Random random(1);
  // As many different requests at every size, so that only the table differs: parameters and rests vary.
  std::vector<std::string> requests;
  for (std::size_t i = 0; i < distinct; ++i) {
    std::string path = tested.paths[random.below(tested.paths.size())];
    if (const std::size_t at = path.rfind("/12345"); at != std::string::npos) {
      path.replace(at + 1, 5, std::to_string(random.below(1'000'000)));
    }
    requests.push_back(std::move(path));
  }
  constexpr std::size_t kAhead = 8;
  Captures captures;
  std::size_t next = 0;
  for (auto _ : state) {
    const MatchResult result = tested.router->match({"GET", "shop.example.com", requests[next]}, captures);
    if (result.kind != MatchResult::Kind::route) {
      state.SkipWithError("no route");
      break;
    }
    benchmark::DoNotOptimize(captures);
    __builtin_prefetch(requests[(next + kAhead) & (requests.size() - 1)].data());
    next = next + 1 == requests.size() ? 0 : next + 1;
  }
}

void hot(benchmark::State& state) { match(state, 64); }
void uniform(benchmark::State& state) { match(state, 1 << 16); }

BENCHMARK(hot)->Arg(10)->Arg(10'000)->Arg(100'000);
BENCHMARK(uniform)->Arg(10)->Arg(10'000)->Arg(100'000);

void build(benchmark::State& state) {
  std::vector<RouteMatch> matches;
  for (const std::string& path : table(static_cast<std::size_t>(state.range(0))).paths) {
    matches.push_back({.methods = {"GET"}, .path = path});
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(Router::build(matches));
  }
}
BENCHMARK(build)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
