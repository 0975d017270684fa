// What the HTTP core costs per proxied request: both heads parsed, both heads forwarded.
//
// Run: http_bench [--benchmark_filter=...]. The heads are of ordinary size (about 400 bytes and 250 bytes).
#include <string>

#include <benchmark/benchmark.h>

#include "flotilla/http/core/forward.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::http {
namespace {

const std::string kRequest =
    "GET /api/users/4711/orders?limit=20&after=01HZX HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/124.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2ln\r\n"
    "Cookie: session=8f14e45fceea167a5a36dedd4bea2543\r\n"
    "Connection: keep-alive\r\n\r\n";

const std::string kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: orders/1.4\r\n"
    "Date: Tue, 11 Jun 2024 10:20:30 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1024\r\n"
    "Cache-Control: no-store\r\n"
    "ETag: \"33a64df551425fcc55e4d42a148795d9\"\r\n"
    "Vary: Accept-Encoding\r\n"
    "Connection: keep-alive\r\n\r\n";

void parse_request(benchmark::State& state) {
  RequestHead head;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_request_head(kRequest, {}, head));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kRequest.size()));
}
BENCHMARK(parse_request);

void parse_response(benchmark::State& state) {
  ResponseHead head;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_response_head(kResponse, {}, Method::get, head));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kResponse.size()));
}
BENCHMARK(parse_response);

void forward_request(benchmark::State& state) {
  RequestHead head;
  if (!parse_request_head(kRequest, {}, head).done()) {
    state.SkipWithError("the request does not parse");
  }
  ForwardOptions options;
  options.peer_address = "203.0.113.7";
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_request_head(out, head.method_name, head.target, head, options);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(forward_request);

void forward_response(benchmark::State& state) {
  ResponseHead head;
  if (!parse_response_head(kResponse, {}, Method::get, head).done()) {
    state.SkipWithError("the response does not parse");
  }
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_response_head(out, head, {});
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(forward_response);

void normalize_a_normal_path(benchmark::State& state) {
  std::string scratch;
  for (auto _ : state) {
    benchmark::DoNotOptimize(normalize_path("/api/users/4711/orders", scratch));
  }
}
BENCHMARK(normalize_a_normal_path);

}  // namespace
}  // namespace flotilla::http

BENCHMARK_MAIN();
