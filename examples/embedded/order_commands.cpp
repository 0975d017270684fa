// The pattern guide's CreateOrderCommand in one program: an order is an aggregate of C++ types.
//
//   order_commands FILE create ORDER USER TOTAL     each command is a line on stdout: "ORDER VERSION EVENT",
//   or order_commands FILE pay ORDER AMOUNT            "refused CODE: MESSAGE" order_commands FILE many
//   PREFIX N               creates N orders and pays each, under keys of their names
//
// Killed at any moment and run again, it finds what it has answered: a repeated key has its first answer.
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "flotilla/cqrs/embedded.hpp"
#include "flotilla/json/value.hpp"

namespace {

using flotilla::cqrs::AggregateEvent;
using flotilla::cqrs::AggregatePtr;
using flotilla::cqrs::CodeAggregate;
using flotilla::cqrs::Embedded;
using flotilla::cqrs::NewEvent;
using flotilla::cqrs::Refused;
using flotilla::cqrs::Verdict;
using flotilla::json::Value;

struct Order {
  bool created = false;
  std::int64_t total = 0;
  std::int64_t paid = 0;
};

std::int64_t number(const Value& value) { return value.as_int().value_or(0); }

Order evolve(Order order, const AggregateEvent& event) {
  if (event.type == "order.created") {
    return {.created = true, .total = number(event.data["total"]), .paid = 0};
  }
  if (event.type == "order.paid") {
    order.paid += number(event.data["amount"]);
  }
  return order;
}

Verdict create(const Order& order, const Value& command) {
  if (order.created) {
    return Refused{"exists", "the order exists"};
  }
  if (number(command["total"]) <= 0) {
    return Refused{"no-total", "an order costs something"};
  }
  return std::vector<NewEvent>{{"order.created", command}};
}

Verdict pay(const Order& order, const Value& command) {
  if (!order.created) {
    return Refused{"unknown-order", "there is no such order"};
  }
  const std::int64_t left = order.total - order.paid;
  if (number(command["amount"]) > left) {
    return Refused{"too-much", fmt::format("{} is owed", left)};
  }
  return std::vector<NewEvent>{{"order.paid", command}};
}

AggregatePtr order_aggregate() {
  const auto id = [](const Value& command) { return command["order_id"]; };
  return CodeAggregate<Order>("order", 1)
      .evolve(evolve)
      .command("create-order", id, create)
      .command("pay-order", id, pay)
      .snapshots(
          100,
          [](const Order& order) {
            return Value::object({{"created", order.created}, {"total", order.total}, {"paid", order.paid}});
          },
          [](const Value& saved) {
            return Order{.created = saved["created"].is_true(),
                         .total = number(saved["total"]),
                         .paid = number(saved["paid"])};
          })
      .build();
}

// A line at a time, at once: whoever kills us must know what we had promised.
bool execute(Embedded& orders, std::string_view command, const Value& body, const std::string& key) {
  const auto reply = orders.execute(command, body, {.key = key});
  if (reply) {
    fmt::print("{} {} {}\n", reply->id, reply->version, reply->events.front().attribute("type"));
  } else {
    fmt::print("refused {}: {}\n", reply.error().code, reply.error().detail);
  }
  (void)std::fflush(stdout);
  return reply.has_value();
}

Value creation(const std::string& order, const std::string& user, std::int64_t total) {
  return Value::object({{"order_id", order}, {"user_id", user}, {"total", total}});
}
Value payment(const std::string& order, std::int64_t amount) {
  return Value::object({{"order_id", order}, {"amount", amount}});
}

int many(Embedded& orders, const std::string& prefix, std::int64_t count) {
  bool good = true;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string order = fmt::format("{}-{}", prefix, i);
    good = execute(orders, "create-order", creation(order, "ann", 10), order + "/create") && good;
    good = execute(orders, "pay-order", payment(order, 10), order + "/pay") && good;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv, argv + argc);
  const auto integer = [&](std::size_t at) {
    std::int64_t value = 0;
    (void)std::from_chars(args[at].data(), args[at].data() + args[at].size(), value);
    return value;
  };
  const std::string verb = args.size() > 2 ? args[2] : "";
  if (!(verb == "create" && args.size() == 6) && !((verb == "pay" || verb == "many") && args.size() == 5)) {
    fmt::print(stderr,
               "usage: order_commands FILE create ORDER USER TOTAL | pay ORDER AMOUNT | many PREFIX N\n");
    return 2;
  }
  auto orders = Embedded::open({.path = args[1], .aggregates = {order_aggregate()}});
  if (!orders) {
    fmt::print(stderr, "order_commands: {}\n", orders.error().message);
    return 1;
  }
  if (verb == "many") {
    return many(*orders, args[3], integer(4));
  }
  const bool good = verb == "create"
                        ? execute(*orders, "create-order", creation(args[3], args[4], integer(5)), "")
                        : execute(*orders, "pay-order", payment(args[3], integer(4)), "");
  return good ? 0 : 1;
}
