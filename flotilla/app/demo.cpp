#include "flotilla/app/demo.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/app/demo_client.hpp"
#include "flotilla/app/demo_processes.hpp"
#include "flotilla/app/demo_tour.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/signals.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRoles[] = {"user",         "order",          "payment", "shipping",
                                       "notification", "recommendation", "monolith"};
constexpr int kFirstPort = 9101;

constexpr std::string_view kFile = R"yaml(flotilla: 1
admin:    { listen: 127.0.0.1:9900 }
registry: { listen: 127.0.0.1:8500 }

defaults:
  timeout: 5s
  circuit_breaker: { failures: 5, reset: 2s }

services:
  user-service: {}
  order-service: { bulkhead: { concurrent: 200 } }
  payment-service: { timeout: 1s, bulkhead: { concurrent: 50, queue: 50, wait: 100ms } }
  shipping-service: {}
  notification-service: {}
  recommendation-service: {}
  monolith: {}

gateways:
  public:
    listen: 127.0.0.1:8000
    routes:
      - GET /users/{id}: user-service
      - GET,POST /orders: order-service
      - GET /orders/{id}: order-service
      - POST /charges: payment-service
      - GET /payments: payment-service
      - GET /api/dashboard/user/{id}: { compose: dashboard }
      - match: { path: /legacy/** }
        proxy: { service: monolith, strip_prefix: /legacy }
  mobile:
    listen: 127.0.0.1:8010
    routes:
      - GET /dashboard/{id}: { compose: dashboard, only: [user, orders], shape: "{user: (.user|{id,name}), order_count: (.orders|length)}" }

compositions:
  dashboard:
    user:            { call: "GET user-service/users/{id}" }
    orders:          { call: "GET order-service/orders?user_id={id}", optional: true, default: [], timeout: 300ms }
    payments:        { call: "GET payment-service/payments?user_id={id}", optional: true, default: [] }
    notifications:   { call: "GET notification-service/notifications?user_id={id}", optional: true, default: [] }
    recommendations: { call: "GET recommendation-service/recs?user_id={id}", optional: true, default: [] }
)yaml";

constexpr std::string_view kGuide = R"(
A tour, in another terminal:

  curl http://127.0.0.1:8000/users/123                  a lookup; the gateway found user-service by name
  curl http://127.0.0.1:8000/api/dashboard/user/123     five services in one answer
  curl http://127.0.0.1:8010/dashboard/123              the mobile shape of it
  curl -X POST http://127.0.0.1:9103/_control -d '{"hang":true}'     payment hangs;
  for i in 1 2 3 4 5 6; do curl -X POST http://127.0.0.1:8000/charges -d '{"order":"a","amount":1}'; done
  flotilla breakers                                     its breaker is open; lookups are as fast as before
  curl -X POST http://127.0.0.1:9103/_control -d '{}'   it recovers, a probe closes the breaker
  curl http://127.0.0.1:9900/metrics                    what happened, in numbers

Ctrl-C ends everything.
)";

bool wait_until_ready(DemoProcesses& processes) {
  const Instant limit = net::monotonic_now() + 20s;
  while (net::monotonic_now() < limit) {
    if (const std::string ended = processes.first_ended(); !ended.empty()) {
      std::fprintf(stderr, "flotilla: %s ended by itself; is another program on its port? see its log\n",
                   ended.c_str());
      return false;
    }
    const DemoAnswer services = ask({.port = 9900, .target = "/api/v1/services"});
    std::size_t found = 0;
    for (std::size_t i = 0; i < std::size(kRoles); ++i) {
      found += services.response.body.find(fmt::format("127.0.0.1:{}", kFirstPort + static_cast<int>(i))) !=
                       std::string::npos
                   ? 1
                   : 0;
    }
    if (services.status == 200 && found == std::size(kRoles)) {
      return true;
    }
    std::this_thread::sleep_for(50ms);
  }
  std::fprintf(stderr, "flotilla: the shop did not come up within 20 s; see the logs\n");
  return false;
}

bool start_all(DemoProcesses& processes, const std::filesystem::path& folder) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path file = folder / "flotilla.yaml";
  std::ofstream(file) << kFile;
  auto started = processes.start("flotilla", {self, "up", file});
  for (std::size_t i = 0; started && i < std::size(kRoles); ++i) {
    const std::string role(kRoles[i]);
    started = processes.start(
        role, {self.parent_path() / "shop", "--service", role, "--port",
               std::to_string(kFirstPort + static_cast<int>(i)), "--consul", "http://127.0.0.1:8500",
               "--gateway", "http://127.0.0.1:8000", "--data", folder / (role + ".data")});
    std::printf("  %-16s http://127.0.0.1:%d\n", (role == "monolith" ? role : role + "-service").c_str(),
                kFirstPort + static_cast<int>(i));
  }
  if (!started) {
    std::fprintf(stderr, "flotilla: %s\n", started.error().message.c_str());
  }
  return started.has_value();
}

}  // namespace

int run_demo(bool tour) {
  net::block_signals({SIGINT, SIGTERM});
  std::string folder = (std::filesystem::temp_directory_path() / "flotilla-demo-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    std::fprintf(stderr, "flotilla: cannot create a folder in %s\n",
                 std::filesystem::temp_directory_path().c_str());
    return 1;
  }
  std::printf("Starting the shop; file, logs and data are in %s\n", folder.c_str());
  DemoProcesses processes{folder};
  if (!start_all(processes, folder) || !wait_until_ready(processes)) {
    return 1;
  }
  std::printf(
      "  public gateway   http://127.0.0.1:8000\n  mobile gateway   http://127.0.0.1:8010\n"
      "  registry         http://127.0.0.1:8500 (Consul API)\n  admin, metrics   http://127.0.0.1:9900\n");
  if (tour) {
    return play_tour(processes) ? 0 : 1;
  }
  std::printf("%.*s", static_cast<int>(kGuide.size()), kGuide.data());
  (void)std::fflush(stdout);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}

}  // namespace flotilla::app
