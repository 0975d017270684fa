// What an expression costs (DESIGN 8: a small body <= 2 us, compiling <= 20 us): the shape of the mobile
// gateway over a body of some 300 bytes, and reading and writing that body.
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla {
namespace {

constexpr std::string_view kShape = "{user: (.user|{id,name}), order_count: (.orders|length)}";
constexpr std::string_view kFold =
    "(. // {}) + .user + {status: .orders[0].state, late: [.orders[] | select(.total > 20) | .id]}";
constexpr std::string_view kBody =
    R"({"user":{"id":"user-4711","name":"Ada Lovelace","email":"ada@example.com","created":"2024-06-11T10:20:30Z"},)"
    R"("orders":[{"id":"order-1","total":19.90,"state":"shipped"},{"id":"order-2","total":120.00,"state":"paid"},)"
    R"({"id":"order-3","total":7.25,"state":"pending"}],"payments":[{"id":9007199254740993,"ok":true}]})";

void compile(benchmark::State& state, std::string_view source) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(expr::compile(source));
  }
}
BENCHMARK_CAPTURE(compile, shape, kShape);
BENCHMARK_CAPTURE(compile, fold, kFold);

void evaluate(benchmark::State& state, std::string_view source) {
  const auto program = expr::compile(source);
  const auto input = json::parse(kBody);
  if (!program || !input) {
    state.SkipWithError("the expression or its input does not parse");
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(expr::evaluate_first(*program, *input));
  }
}
BENCHMARK_CAPTURE(evaluate, shape, kShape);
BENCHMARK_CAPTURE(evaluate, fold, kFold);

// What a gateway does with an answer: read it, shape it, write it.
void read_shape_write(benchmark::State& state) {
  const auto program = expr::compile(kShape);
  for (auto _ : state) {
    benchmark::DoNotOptimize(json::write(*expr::evaluate_first(*program, *json::parse(kBody))));
  }
}
BENCHMARK(read_shape_write);

void parse(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(json::parse(kBody));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBody.size()));
}
BENCHMARK(parse);

void check(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(json::is_complete_json(kBody));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBody.size()));
}
BENCHMARK(check);

void write(benchmark::State& state) {
  const auto input = json::parse(kBody);
  for (auto _ : state) {
    benchmark::DoNotOptimize(json::write(*input));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBody.size()));
}
BENCHMARK(write);

}  // namespace
}  // namespace flotilla

BENCHMARK_MAIN();
