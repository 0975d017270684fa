// What a subscription is declared to be: whom it serves, in which order, how often it tries, what follows.
//
// For: the subscription engine; readers of the file and of the API make one.
// Ownership: a plain value. Limits: those that check() holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/resilience/core/retry.hpp"

namespace flotilla::events {

enum class OrderBy : std::uint8_t {
  none,  // as they come, up to `concurrency` at once
  key,   // of each key one at a time, in the order of the topic; keys beside each other
};
[[nodiscard]] std::string_view to_string(OrderBy order) noexcept;
[[nodiscard]] std::optional<OrderBy> parse_order_by(std::string_view text) noexcept;

// What becomes of the later events of a key once one of its events is a dead letter.
enum class AfterDeadLetter : std::uint8_t {
  skip,  // they go on: a refusal is part of business, and whoever is told of it may still cancel the order
  block_key,  // they wait until a person releases the key: for a fold, which one event less makes wrong
  park_key,   // they become dead letters behind it, in their order, until a person releases the key
};
// "skip", "block-key", "park-key".
[[nodiscard]] std::string_view to_string(AfterDeadLetter policy) noexcept;
[[nodiscard]] std::optional<AfterDeadLetter> parse_after_dead_letter(std::string_view text) noexcept;

inline constexpr std::uint32_t kMaxConcurrency = 1024;
inline constexpr std::size_t kMaxAhead = 8192;
inline constexpr Duration kMaxAckTimeout = std::chrono::hours(24);

struct SubscriptionPolicy {
  std::string name;  // the group's
  std::string topic;
  OrderBy order_by = OrderBy::key;
  AfterDeadLetter after_dead_letter = AfterDeadLetter::skip;
  std::uint32_t concurrency = 16;  // attempts under way and unacknowledged ones, together
  // 16 attempts of 200 ms, doubled up to 60 s, are some ten minutes at the most, five on average.
  resilience::RetryPolicy retry{.attempts = 16,
                                .first = std::chrono::milliseconds(200),
                                .cap = std::chrono::seconds(60),
                                .factor = 2,
                                .retry_after_cap = std::chrono::minutes(5)};
  Duration timeout = std::chrono::seconds(5);       // of one attempt
  Duration ack_timeout = std::chrono::seconds(30);  // after a 202, until it is sent again
  std::string dead_letter;                          // a topic; never empty
  std::string on_success;                           // a topic; empty: nothing is published
  std::string on_failure;
  // How far beyond the first unsettled event it reads: events, and bytes of those that are unsettled. At
  // either bound it reads no further, until that event is settled.
  std::size_t ahead = 1024;
  std::size_t ahead_bytes = std::size_t{16} << 20;
};

// Errors: invalid, with a sentence that names the key of the file.
[[nodiscard]] Result<> check(const SubscriptionPolicy& policy);

}  // namespace flotilla::events
