#include "flotilla/app/demo_tour.hpp"

#include <algorithm>
#include <cstdio>
#include <span>

#include <fmt/format.h>

#include "flotilla/app/demo_events.hpp"
#include "flotilla/app/demo_step.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

// One slow answer of a busy machine does not move it.
Duration median(std::span<const DemoAnswer> answers) {
  std::vector<Duration> took;
  for (const DemoAnswer& answer : answers) {
    took.push_back(answer.took);
  }
  std::ranges::nth_element(took, took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2));
  return took[took.size() / 2];
}

net::Task<> order_payment(const Tour& tour, const char* fault) {
  (void)co_await ask(tour.loop,
                     {.port = tour.ports.service(2), .method = "POST", .target = "/_control", .body = fault});
}

net::Task<std::string> state_of_breaker(const Tour& tour) {
  const DemoAnswer answer =
      co_await ask(tour.loop, {.port = tour.ports.admin, .target = "/api/v1/breakers/payment-service"});
  constexpr std::string_view field = "\"state\":\"";
  const std::size_t at = answer.response.body.find(field);
  if (at == std::string::npos) {
    co_return answer.response.body;
  }
  const std::size_t begin = at + field.size();
  co_return answer.response.body.substr(begin, answer.response.body.find('"', begin) - begin);
}

// Waits until it is `wanted`; what it is in the end.
net::Task<std::string> await_breaker(const Tour& tour, std::string_view wanted) {
  const Instant limit = tour.loop.now() + kDemoPatience;
  for (;;) {
    std::string state = co_await state_of_breaker(tour);
    if (state == wanted || tour.loop.now() > limit) {
      co_return state;
    }
    co_await net::sleep_for(tour.loop, 20ms);
  }
}

net::Task<bool> looks_up(const Tour& tour) {
  const DemoAnswer answer = co_await ask(tour.loop, tour.lookup());
  co_return shown(answer.status == 200 && has(answer, "\"name\""), "a lookup through the gateway",
                  text(answer));
}

net::Task<bool> composes(const Tour& tour) {
  const DemoAnswer whole =
      co_await ask(tour.loop, {.port = tour.ports.gateway, .target = "/api/dashboard/user/123"});
  bool all = whole.status == 200 && !whole.response.headers.contains("Flotilla-Missing");
  for (const char* branch :
       {"\"user\"", "\"orders\"", "\"payments\"", "\"notifications\"", "\"recommendations\""}) {
    all = all && has(whole, branch);
  }
  const DemoAnswer mobile = co_await ask(tour.loop, {.port = tour.ports.mobile, .target = "/dashboard/123"});
  const bool small = mobile.status == 200 && has(mobile, "\"order_count\"") && !has(mobile, "payments");
  const bool first = shown(all, "a dashboard of five services in one request", text(whole));
  co_return shown(small, "the mobile gateway's shape of it", text(mobile)) && first;
}

// A hanging payment service: charges wait for its timeout of a second, lookups must not.
net::Task<bool> isolates(const Tour& tour) {
  std::vector<DemoRequest> storm(20, tour.charge());
  storm.insert(storm.end(), 20, tour.lookup());
  const auto answers = co_await ask_all(tour.loop, std::move(storm));
  const std::span charges = std::span(answers).first(20);
  const std::span lookups = std::span(answers).last(20);
  const bool served = std::ranges::all_of(lookups, [](const DemoAnswer& a) { return a.status == 200; });
  co_return shown(served && median(lookups) < median(charges) / 2,
                  "payment hangs, lookups beside it do not notice",
                  fmt::format("medians: 20 charges {} ms, 20 lookups {} ms", to_millis(median(charges)),
                              to_millis(median(lookups))));
}

net::Task<bool> recovers(const Tour& tour) {
  const Instant limit = tour.loop.now() + kDemoPatience;
  DemoAnswer back;
  while (back.status != 200 && tour.loop.now() < limit) {
    co_await net::sleep_for(tour.loop, 50ms);
    back = co_await ask(tour.loop, {.port = tour.ports.gateway, .target = "/payments?user_id=123"});
  }
  const std::string state = co_await await_breaker(tour, "closed");
  co_return shown(back.status == 200 && state == "closed", "payment recovers, a probe closes the breaker",
                  fmt::format("{}, breaker {}", back.status, state));
}

DemoRequest order(const Tour& tour, std::string body, std::string key) {
  return {.port = tour.ports.gateway,
          .method = "POST",
          .target = "/orders",
          .body = std::move(body),
          .idempotency_key = std::move(key)};
}

net::Task<bool> places_orders(const Tour& tour) {
  const DemoAnswer shipped =
      co_await ask(tour.loop, order(tour, R"({"user_id":"126","items":["mug"],"total":8.50})", "ships"));
  const bool first = shown(shipped.status == 200 && has(shipped, "completed") && has(shipped, "tracking"),
                           "an order ships: four services, one transaction", text(shipped));
  const DemoAnswer refused =
      co_await ask(tour.loop, order(tour, R"({"user_id":"127","items":["car"],"total":20000})", "refused"));
  const DemoAnswer orders =
      co_await ask(tour.loop, {.port = tour.ports.gateway, .target = "/orders?user_id=127"});
  const bool undone = refused.status == 409 && has(refused, "compensated") && has(orders, "cancelled");
  co_return shown(undone, "an order whose payment is refused is undone", text(refused)) && first;
}

// The order that payment kept waiting, and what came of it once payment was back.
DemoRequest waiting_order(const Tour& tour) {
  return order(tour, R"({"user_id":"125","items":["teapot"],"total":24.90})", "tour");
}

net::Task<bool> ships_after_all(const Tour& tour, DemoAnswer pending) {
  const Instant limit = tour.loop.now() + kDemoPatience;
  DemoAnswer again;
  do {
    again = co_await ask(tour.loop, waiting_order(tour));  // waits itself
  } while (again.status != 200 && tour.loop.now() < limit);
  const DemoAnswer charges =
      co_await ask(tour.loop, {.port = tour.ports.gateway, .target = "/payments?user_id=125"});
  const std::size_t first = charges.response.body.find("charge_id");
  const bool once =
      first != std::string::npos && charges.response.body.find("charge_id", first + 1) == std::string::npos;
  co_return shown(pending.status == 202 && again.status == 200 && has(again, "completed") && once,
                  "an order that payment kept waiting ships, charged once",
                  fmt::format("{}, then {}", pending.status, text(again)));
}

net::Task<bool> breaks(const Tour& tour) {
  co_await order_payment(tour, R"({"hang":true})");
  bool ok = co_await isolates(tour);
  const std::string state = co_await await_breaker(tour, "open");
  ok &= shown(state == "open", "its breaker opens", state);
  const std::size_t taken = co_await takes_for_later(tour);
  ok &= taken > 0;
  DemoAnswer pending = co_await ask(tour.loop, waiting_order(tour));
  co_await order_payment(tour, "{}");
  ok &= co_await recovers(tour);
  ok &= co_await drains(tour, taken);
  ok &= co_await ships_after_all(tour, std::move(pending));
  co_return ok;
}

struct Served {
  int well = 0;
  int lost = 0;
};

net::Task<> keep_looking_up(const Tour& tour, Served& served) {
  for (;;) {
    const DemoAnswer answer = co_await ask(tour.loop, tour.lookup());
    (answer.status == 200 ? served.well : served.lost)++;
  }
}

net::Task<bool> reloads(const Tour& tour) {
  constexpr int kReloads = 10;
  constexpr int kLookupsBetween = 5;
  Served served;
  net::Scope traffic;
  traffic.spawn(keep_looking_up(tour, served));
  bool ok = true;
  for (int i = 1; i <= kReloads; ++i) {
    const DemoAnswer answer = co_await ask(
        tour.loop, {.port = tour.ports.admin, .method = "POST", .target = "/api/v1/config/reload"});
    ok = ok && answer.status == 200;
    while (served.well + served.lost < i * kLookupsBetween) {
      co_await net::sleep_for(tour.loop, 1ms);
    }
  }
  co_return shown(ok && served.lost == 0, "ten reloads under traffic",
                  fmt::format("{} requests served, {} lost", served.well, served.lost));
}

net::Task<bool> goes_on_without_one(const Tour& tour) {
  tour.processes.kill("recommendation");
  const DemoAnswer answer =
      co_await ask(tour.loop, {.port = tour.ports.gateway, .target = "/api/dashboard/user/123"});
  const std::string missing(answer.response.headers.get("Flotilla-Missing").value_or("nothing"));
  co_return shown(answer.status == 200 && missing.contains("recommendations"),
                  "recommendation killed, the dashboard goes on",
                  fmt::format("{}; missing: {}", answer.status, missing));
}

}  // namespace

net::Task<bool> play_tour(net::Loop& loop, DemoProcesses& processes, DemoPorts ports, bool redis) {
  const Tour tour{.loop = loop, .processes = processes, .ports = ports, .redis = redis};
  bool ok = true;
  for (const auto step : {&looks_up, &composes, &places_orders, &commands, &choreographs, &keeps_copies,
                          &breaks, &reloads, &goes_on_without_one}) {
    const bool shown_well = co_await step(tour);
    ok = ok && shown_well;
  }
  std::printf("%s\n", ok ? "every step showed what it should" : "the tour FAILED");
  co_return ok;
}

}  // namespace flotilla::app
