#include "flotilla/app/demo_tour.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

#include "flotilla/app/demo_client.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPublic = 8000;
constexpr std::uint16_t kMobile = 8010;
constexpr std::uint16_t kAdmin = 9900;
constexpr std::uint16_t kPayment = 9103;

bool shown(bool ok, const std::string& step, const std::string& saw) {
  std::printf("  %-6s %s: %s\n", ok ? "ok" : "FAILED", step.c_str(), saw.c_str());
  (void)std::fflush(stdout);
  return ok;
}

std::string text(const DemoAnswer& answer) {
  return fmt::format("{} in {} ms {}", answer.status, to_millis(answer.took),
                     answer.response.body.substr(0, 160));
}

// Asks until `good` says so; the last answer.
template <class Good>
DemoAnswer until(const DemoRequest& request, Good good, Duration patience = 10s) {
  const Instant limit = net::monotonic_now() + patience;
  for (;;) {
    DemoAnswer answer = ask(request);
    if (good(answer) || net::monotonic_now() > limit) {
      return answer;
    }
    std::this_thread::sleep_for(50ms);
  }
}

bool has(const DemoAnswer& answer, std::string_view part) {
  return answer.response.body.find(part) != std::string::npos;
}

void control(std::uint16_t port, const std::string& order) {
  (void)ask({.port = port, .method = "POST", .target = "/_control", .body = order});
}

std::string breaker_of(const std::string& service) {
  const DemoAnswer answer = ask({.port = kAdmin, .target = "/api/v1/breakers/" + service});
  const std::size_t at = answer.response.body.find("\"state\":\"");
  return at == std::string::npos
             ? answer.response.body
             : answer.response.body.substr(at + 9, answer.response.body.find('"', at + 9) - at - 9);
}

bool wait_for_breaker(const std::string& service, std::string_view state) {
  const Instant limit = net::monotonic_now() + 10s;
  while (breaker_of(service) != state && net::monotonic_now() < limit) {
    std::this_thread::sleep_for(20ms);
  }
  return breaker_of(service) == state;
}

bool lookup() {
  const DemoAnswer answer = ask({.port = kPublic, .target = "/users/123"});
  return shown(answer.status == 200 && has(answer, "\"name\""), "a lookup through the gateway", text(answer));
}

bool dashboard() {
  const DemoAnswer answer = ask({.port = kPublic, .target = "/api/dashboard/user/123"});
  bool all = answer.status == 200;
  for (const char* branch :
       {"\"user\"", "\"orders\"", "\"payments\"", "\"notifications\"", "\"recommendations\""}) {
    all = all && has(answer, branch);
  }
  const DemoAnswer mobile = ask({.port = kMobile, .target = "/dashboard/123"});
  const bool small = mobile.status == 200 && has(mobile, "\"order_count\"") && !has(mobile, "payments");
  const bool first = shown(all, "a dashboard of five services in one request", text(answer));
  return shown(small, "the mobile gateway's shape of it", text(mobile)) && first;
}

bool partial(DemoProcesses& processes) {
  processes.kill("recommendation");
  const DemoAnswer answer = ask({.port = kPublic, .target = "/api/dashboard/user/123"});
  const std::string missing(answer.response.headers.get("Flotilla-Missing").value_or("nothing"));
  return shown(answer.status == 200 && missing.find("recommendations") != std::string::npos,
               "recommendation killed, the dashboard goes on",
               fmt::format("{}; missing: {}", answer.status, missing));
}

bool breaker() {
  const DemoRequest charge{.port = kPublic,
                           .method = "POST",
                           .target = "/charges",
                           .body = R"({"order":"demo","amount":10,"user_id":"123"})"};
  const DemoRequest lookup{.port = kPublic, .target = "/users/123"};
  control(kPayment, R"({"hang":true})");
  std::vector<DemoRequest> storm(20, charge);
  storm.insert(storm.end(), 20, lookup);
  const auto answers = ask_all(storm);
  Duration slowest_lookup{0};
  for (std::size_t i = 20; i < answers.size(); ++i) {
    slowest_lookup = std::max(slowest_lookup, answers[i].status == 200 ? answers[i].took : Duration(1h));
  }
  bool ok = shown(slowest_lookup < 500ms, "payment hangs, lookups do not notice",
                  fmt::format("slowest of 20 lookups {} ms", to_millis(slowest_lookup)));
  ok &=
      shown(wait_for_breaker("payment-service", "open"), "its breaker opens", breaker_of("payment-service"));
  const DemoAnswer refused = ask(charge);
  ok &= shown(refused.status == 503 && has(refused, "circuit-open") && refused.took < 50ms &&
                  refused.response.headers.contains("Retry-After"),
              "calls are refused at once",
              fmt::format("{} in {} us, Retry-After {}", refused.status, refused.took / 1us,
                          refused.response.headers.get("Retry-After").value_or("missing")));
  control(kPayment, "{}");
  const DemoAnswer back = until({.port = kPublic, .target = "/payments?user_id=123"},
                                [](const DemoAnswer& a) { return a.status == 200; });
  ok &= shown(back.status == 200 && wait_for_breaker("payment-service", "closed"),
              "payment recovers, a probe closes the breaker", breaker_of("payment-service"));
  return ok;
}

bool reloads() {
  std::atomic<bool> stop{false};
  std::atomic<int> served{0};
  std::atomic<int> lost{0};
  std::thread traffic([&] {
    while (!stop) {
      (ask({.port = kPublic, .target = "/users/123"}).status == 200 ? served : lost)++;
    }
  });
  bool ok = true;
  for (int i = 0; i < 10; ++i) {
    ok &= ask({.port = kAdmin, .method = "POST", .target = "/api/v1/config/reload"}).status == 200;
  }
  stop = true;
  traffic.join();
  return shown(ok && lost == 0 && served > 0, "ten reloads under traffic",
               fmt::format("{} requests served, {} lost", served.load(), lost.load()));
}

}  // namespace

bool play_tour(DemoProcesses& processes) {
  bool ok = lookup();
  ok &= dashboard();
  ok &= breaker();
  ok &= reloads();
  ok &= partial(processes);
  std::printf("%s\n", ok ? "every step showed what it should" : "the tour FAILED");
  return ok;
}

}  // namespace flotilla::app
