#include "flotilla/events/core/subscription_policy.hpp"

#include <array>

namespace flotilla::events {
namespace {

constexpr std::array<std::string_view, 2> kOrders{"none", "key"};
constexpr std::array<std::string_view, 3> kAfter{"skip", "block-key", "park-key"};

template <class Enum, std::size_t N>
std::optional<Enum> named(const std::array<std::string_view, N>& names, std::string_view text) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(OrderBy order) noexcept { return kOrders[static_cast<std::size_t>(order)]; }
std::optional<OrderBy> parse_order_by(std::string_view text) noexcept {
  return named<OrderBy>(kOrders, text);
}

std::string_view to_string(AfterDeadLetter policy) noexcept {
  return kAfter[static_cast<std::size_t>(policy)];
}
std::optional<AfterDeadLetter> parse_after_dead_letter(std::string_view text) noexcept {
  return named<AfterDeadLetter>(kAfter, text);
}

Result<> check(const SubscriptionPolicy& policy) {
  if (policy.name.empty() || policy.topic.empty() || policy.dead_letter.empty()) {
    return fail(Errc::invalid, "a subscription has a name, a `topic` and a `dead_letter` topic");
  }
  if (policy.dead_letter == policy.topic) {
    return fail(Errc::invalid,
                "`dead_letter` must be another topic than `topic`: what was refused would come again");
  }
  if (policy.concurrency < 1 || policy.concurrency > kMaxConcurrency) {
    return fail(Errc::invalid, "`concurrency` must lie between 1 and 1024");
  }
  if (policy.timeout <= Duration::zero() || policy.ack_timeout <= Duration::zero() ||
      policy.ack_timeout > kMaxAckTimeout) {
    return fail(Errc::invalid, "`timeout` and `ack_timeout` must be above 0, and `ack_timeout` at most 1d");
  }
  if (policy.after_dead_letter != AfterDeadLetter::skip && policy.order_by != OrderBy::key) {
    return fail(Errc::invalid, "`after_dead_letter` is about keys: it needs `order_by: key`");
  }
  if (policy.ahead < 1 || policy.ahead > kMaxAhead) {
    return fail(Errc::invalid, "`ahead` must lie between 1 and 8192 events");
  }
  return check(policy.retry);
}

}  // namespace flotilla::events
