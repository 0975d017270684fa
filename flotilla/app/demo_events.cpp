#include "flotilla/app/demo_events.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "flotilla/cqrs/redis_connection.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/resolver.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kCharges = 9;

DemoRequest orders_of(const Tour& tour, const char* user) {
  return {.port = tour.ports.gateway, .target = fmt::format("/users/{}/orders", user)};
}

DemoRequest create(const Tour& tour, const char* order, const char* total, const char* key) {
  return {.port = tour.ports.gateway,
          .method = "POST",
          .target = "/commands/create-order",
          .body = fmt::format(R"({{"order_id":"{}","user_id":"128","items":["teapot"],"total":{}}})", order,
                              total),
          .idempotency_key = key};
}

// The row of one order, as the view has it.
bool has_order(const DemoAnswer& answer, std::string_view order, std::string_view status) {
  const std::string& rows = answer.response.body;
  const std::size_t at = rows.find(fmt::format(R"("order_id":"{}")", order));
  if (answer.status != 200 || at == std::string::npos) {
    return false;
  }
  const std::size_t end = std::min(rows.find(R"("order_id":)", at + 1), rows.size());
  return std::string_view(rows).substr(at, end - at).contains(fmt::format(R"("status":"{}")", status));
}

// Of the order service's own book.
net::Task<bool> becomes(const Tour& tour, const char* order, const char* status) {
  const DemoAnswer answer = co_await ask_until(
      tour, {.port = tour.ports.gateway, .target = fmt::format("/orders/{}", order)},
      [&](const DemoAnswer& a) { return has(a, fmt::format(R"("status":"{}")", status)); });
  co_return has(answer, fmt::format(R"("status":"{}")", status));
}

// One picture of an order, though nobody conducts.
net::Task<bool> is_traced(const Tour& tour, const char* order, const char* state) {
  const std::string wanted = fmt::format(R"("state":"{}")", state);
  const DemoAnswer picture =
      co_await ask_until(tour, {.port = tour.ports.api, .target = fmt::format("/v1/correlations/{}", order)},
                         [&](const DemoAnswer& a) { return a.status == 200 && has(a, wanted); });
  co_return picture.status == 200 && has(picture, wanted) && has(picture, "charge-new-orders");
}

}  // namespace

net::Task<bool> commands(const Tour& tour) {
  const DemoAnswer created = co_await ask(tour.loop, create(tour, "c-1", "24.90", "c-1"));
  const DemoAnswer again = co_await ask(tour.loop, create(tour, "c-1", "24.90", "c-1"));
  const DemoAnswer other = co_await ask(tour.loop, create(tour, "c-1", "24.90", "c-1-other"));
  bool ok =
      shown(created.status == 200 && again.response.body == created.response.body && other.status == 422 &&
                has(other, "exists"),
            "a command creates an order; repeated it is the same one, asked anew it is refused",
            fmt::format("{}, {}, {} {}", created.status, again.status, other.status, other.response.body));
  DemoRequest read = orders_of(tour, "128");
  read.headers.add("Read-After", std::string(created.response.headers.get("Position").value_or("")));
  const DemoAnswer own = co_await ask(tour.loop, std::move(read));
  ok &= shown(own.status == 200 && has(own, "c-1"), "the view has it for its writer at once", text(own));
  co_return ok;
}

net::Task<bool> choreographs(const Tour& tour) {
  const DemoAnswer dear = co_await ask(tour.loop, create(tour, "c-2", "20000", "c-2"));
  bool ok = dear.status == 200;
  const DemoAnswer both = co_await ask_until(tour, orders_of(tour, "128"), [](const DemoAnswer& a) {
    return has_order(a, "c-1", "payment.success") && has_order(a, "c-2", "payment.failed");
  });
  const bool folded = has_order(both, "c-1", "payment.success") && has_order(both, "c-2", "payment.failed");
  const bool paid = co_await becomes(tour, "c-1", "paid");
  const bool cancelled = co_await becomes(tour, "c-2", "cancelled");
  ok &= shown(folded && paid && cancelled,
              "choreographed: one order is paid, one is refused and cancels itself",
              fmt::format("view {}, order service: c-1 {}, c-2 {}", folded ? "has both" : both.response.body,
                          paid ? "paid" : "not paid", cancelled ? "cancelled" : "not cancelled"));
  const bool good = co_await is_traced(tour, "c-1", "ok");
  const bool undone = co_await is_traced(tour, "c-2", "undone");
  ok &= shown(good && undone, "each is followed as one transaction, whoever took part",
              fmt::format("c-1 {}, c-2 {}", good ? "ok" : "not ok", undone ? "undone" : "not undone"));
  co_return ok;
}

net::Task<bool> keeps_copies(const Tour& tour) {
  if (!tour.redis) {
    std::printf("  --     there is no redis-server here, so the view has no copies\n");
    co_return true;
  }
  constexpr std::int64_t kHour = 3600;
  constexpr const char* kStep = "the view's copy in Redis, with its hour of life";
  const auto resolver = net::Resolver::create(tour.loop);
  if (!resolver) {
    co_return shown(false, kStep, resolver.error().message);
  }
  auto redis = co_await cqrs::RedisConnection::open(
      tour.loop, **resolver, {.host = "127.0.0.1", .port = tour.ports.redis, .user = {}, .password = {}});
  if (!redis) {
    co_return shown(false, kStep, redis.error().message);
  }
  const DemoAnswer wanted = co_await ask(tour.loop, orders_of(tour, "128"));
  const Instant limit = tour.loop.now() + kDemoPatience;
  constexpr std::string_view kGet[] = {"GET", "user_orders:128"};
  constexpr std::string_view kLife[] = {"TTL", "user_orders:128"};
  for (;;) {
    const auto copy = co_await (*redis)->ask(kGet);
    const auto life = co_await (*redis)->ask(kLife);
    const bool same = copy && life && copy->text == wanted.response.body;
    if (same || !copy || !life || tour.loop.now() > limit) {
      co_return shown(same && life->number > kHour * 8 / 10 && life->number <= kHour, kStep,
                      same ? fmt::format("{} bytes, {} s to live", copy->text.size(), life->number)
                           : "it is not what the view says");
    }
    co_await net::sleep_for(tour.loop, 20ms);
  }
}

net::Task<std::size_t> takes_for_later(const Tour& tour) {
  std::vector<DemoRequest> charges;
  for (std::size_t i = 0; i < kCharges; ++i) {
    DemoRequest charge = tour.charge();
    charge.body = fmt::format(R"({{"order":"later-{}","amount":10,"user_id":"129"}})", i);
    charge.idempotency_key = fmt::format("later-{}", i);
    charges.push_back(std::move(charge));
  }
  const auto answers = co_await ask_all(tour.loop, std::move(charges));
  const auto quick = std::ranges::count_if(answers, [](const DemoAnswer& a) {
    return a.status == 202 && a.response.headers.contains("Queue-Item") && a.took < 500ms;
  });
  const auto pending = std::ranges::count_if(answers, [](const DemoAnswer& a) { return a.status == 202; });
  // An open breaker lets one call through whenever its time is over, and that one hangs.
  const bool ok = shown(pending == kCharges && quick >= static_cast<std::ptrdiff_t>(kCharges) - 1,
                        "charges are taken for later, at once",
                        fmt::format("{} of {} pending, {} at once: {}", pending, kCharges, quick,
                                    answers.front().response.body));
  co_return ok ? kCharges : 0;
}

net::Task<bool> drains(const Tour& tour, std::size_t taken) {
  const DemoAnswer made =
      co_await ask_until(tour, {.port = tour.ports.gateway, .target = "/payments?user_id=129"},
                         [&](const DemoAnswer& a) { return count_of(a, "charge_id") >= taken; });
  const DemoAnswer left =
      co_await ask_until(tour, {.port = tour.ports.api, .target = "/v1/queues/pending-charges?state=pending"},
                         [](const DemoAnswer& a) { return has(a, R"("waiting":0)"); });
  const std::size_t charges = count_of(made, "charge_id");
  co_return shown(taken > 0 && charges == taken && has(left, R"("waiting":0)"),
                  "the queue drains, each charge is made once",
                  fmt::format("{} charges, {}", charges, text(left)));
}

}  // namespace flotilla::app
