#include "fault.hpp"

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace shop {
namespace {

using flotilla::Errc;
using flotilla::Result;
using flotilla::json::Member;
using flotilla::json::Value;

bool within(std::optional<std::int64_t> number, std::int64_t least, std::int64_t most) {
  return number && *number >= least && *number <= most;
}

}  // namespace

Result<Fault::Orders> Fault::read(const Value& wanted) {
  Orders orders;
  if (!wanted.is_object()) {
    return flotilla::fail(Errc::invalid, "expected an object such as {\"delay_ms\": 300}");
  }
  for (const Member& member : wanted.members()) {
    const auto number = member.value.as_int();
    const double share = member.value.as_double().value_or(-1);
    if (member.key() == "delay_ms" && within(number, 0, kLongest.count())) {
      orders.delay_ms = *number;
    } else if (member.key() == "refuse_ms" && within(number, 0, kLongest.count())) {
      orders.refuse_ms = *number;
    } else if (member.key() == "status" && within(number, 400, 599)) {
      orders.status = static_cast<std::uint16_t>(*number);
    } else if (member.key() == "fail_rate" && share >= 0 && share <= 1) {
      orders.fail_rate = share;
    } else if (member.key() == "hang" && member.value.is_bool()) {
      orders.hang = member.value.as_bool();
    } else {
      return flotilla::fail(
          Errc::invalid,
          fmt::format("{}: {} is not possible; known are delay_ms and refuse_ms (up to {}), fail_rate (0 to "
                      "1), status (400 to 599) and hang (true or false)",
                      member.key(), flotilla::json::write(member.value), kLongest.count()));
    }
  }
  return orders;
}

Result<> Fault::order(const Value& wanted) {
  const auto orders = read(wanted);
  if (!orders) {
    return std::unexpected(orders.error());
  }
  orders_ = *orders;
  changed_.set();
  if (orders_.refuse_ms > 0 && stop_listening_) {
    stop_listening_(flotilla::Millis(orders_.refuse_ms));
  }
  return {};
}

Value Fault::describe() const {
  return Value::object({{"delay_ms", orders_.delay_ms},
                        {"fail_rate", Value::number(orders_.fail_rate)},
                        {"status", orders_.status},
                        {"hang", orders_.hang},
                        {"refuse_ms", orders_.refuse_ms}});
}

flotilla::net::Task<std::optional<std::uint16_t>> Fault::enter(flotilla::net::Loop& loop) {
  while (orders_.hang) {
    co_await changed_.wait();
  }
  if (orders_.delay_ms > 0) {
    co_await flotilla::net::sleep_for(loop, flotilla::Millis(orders_.delay_ms));
  }
  if (orders_.fail_rate > 0 && random_.unit() < orders_.fail_rate) {
    co_return orders_.status;
  }
  co_return std::nullopt;
}

}  // namespace shop
