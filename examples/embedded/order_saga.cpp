// The pattern guide's OrderSaga (reserve, charge, ship; a failed payment releases the items) in one program.
//
//   order_saga DIR                    places o-good and o-poor, and prints how they end
//   order_saga DIR ORDER TOTAL        places one order
//   order_saga DIR --many PREFIX N    places N orders, every third of which cannot be paid; after each answer
//                                     of start() it prints "started ORDER" (or "found ORDER", if it was
//                                     placed before), after each end "STATE ORDER"
//
// Killed at any moment and run again with the same DIR, it ends what it has begun.
#include <charconv>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"
#include "flotilla/saga/embedded.hpp"
#include "shop_file.hpp"

namespace {

using namespace std::chrono_literals;
using embedded_example::ShopFile;
using flotilla::json::Value;
using flotilla::saga::CodeSaga;
using flotilla::saga::Embedded;
using flotilla::saga::SagaId;
using flotilla::saga::StepCall;

constexpr flotilla::Duration kPatience = 60s;

CodeSaga order_saga(ShopFile& shop) {
  return CodeSaga("order", 1)
      .step("reserve", [&shop](const StepCall& call) { return shop.reserve_items(call); })
      .undo([&shop](const StepCall& call) { return shop.release_items(call); })
      .barrier()
      .step("charge", [&shop](const StepCall& call) { return shop.charge(call); })
      .undo([&shop](const StepCall& call) { return shop.refund(call); })
      .barrier()
      .step("ship", [&shop](const StepCall& call) { return shop.create_shipment(call); })
      .pivot()
      .result("{payment: .steps.charge.payment, tracking: .steps.ship.tracking}");
}

// A line at a time, at once: whoever kills us must know what we had promised.
void say(std::string_view text) {
  fmt::print("{}\n", text);
  (void)std::fflush(stdout);
}

int complain(std::string_view what) {
  fmt::print(stderr, "order_saga: {}\n", what);
  return 1;
}

bool place(Embedded& sagas, const std::string& order, double total,
           std::deque<std::pair<std::string, SagaId>>& open) {
  const auto started =
      sagas.start("order", order, Value::object({{"order", order}, {"total", Value::number(total)}}));
  if (!started) {
    complain(started.error().detail);
    return false;
  }
  say((started->existing ? "found " : "started ") + order);
  open.emplace_back(order, started->saga.id);
  return true;
}

bool await_first(Embedded& sagas, std::deque<std::pair<std::string, SagaId>>& open) {
  const auto [order, id] = open.front();
  open.pop_front();
  const auto view = sagas.wait(id, kPatience);
  if (!view) {
    complain(view.error().detail);
    return false;
  }
  say(view->state + " " + order);
  return view->terminal;
}

int run(const std::string& directory, const std::vector<std::pair<std::string, double>>& orders) {
  constexpr std::size_t kAtOnce = 8;
  auto sagas_file = directory + "/sagas.db";
  auto shop = ShopFile::open(directory + "/shop.db");
  if (!shop) {
    return complain(shop.error().message);
  }
  auto sagas = Embedded::open({.path = sagas_file, .sagas = {order_saga(**shop)}});
  if (!sagas) {
    return complain(sagas.error().message);
  }
  std::deque<std::pair<std::string, SagaId>> open;
  for (const auto& [order, total] : orders) {
    if (open.size() == kAtOnce && !await_first(*sagas, open)) {
      return 1;
    }
    if (!place(*sagas, order, total, open)) {
      return 1;
    }
  }
  while (!open.empty()) {
    if (!await_first(*sagas, open)) {
      return 1;
    }
  }
  sagas->close(kPatience);
  return 0;
}

std::vector<std::pair<std::string, double>> many(const std::string& prefix, int count) {
  std::vector<std::pair<std::string, double>> orders;
  for (int i = 0; i < count; ++i) {
    orders.emplace_back(fmt::format("{}-{}", prefix, i), i % 3 == 0 ? 5000 : 30);
  }
  return orders;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv, argv + argc);
  if (args.size() == 2) {
    return run(args[1], {{"o-good", 30}, {"o-poor", 5000}});
  }
  const auto number = [&](std::size_t at, auto fallback) {
    (void)std::from_chars(args[at].data(), args[at].data() + args[at].size(), fallback);
    return fallback;
  };
  if (args.size() == 4) {
    return run(args[1], {{args[2], number(3, 0.0)}});
  }
  if (args.size() == 5 && args[2] == "--many") {
    return run(args[1], many(args[3], number(4, 0)));
  }
  fmt::print(stderr, "usage: order_saga DIR [ORDER TOTAL | --many PREFIX N]\n");
  return 2;
}
