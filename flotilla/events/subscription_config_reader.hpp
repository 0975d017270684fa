// Reads `subscriptions:` of the file.
//
// For: the configuration, and declarations at run time. Ownership: values. Threads: pure. Limits:
// kMaxSubscriptions, those of core/subscription_policy.hpp, and of the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flotilla/config/node.hpp"
#include "flotilla/events/subscription.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxSubscriptions = 1000;
inline constexpr std::size_t kMaxSubscriptionName = 64;

// In the order of the file; what has problems is left out.
[[nodiscard]] std::vector<SubscriptionPtr> read_subscriptions(const config::Node& node,
                                                              config::Problems& problems);

// One of them, from the mapping below its name, which stands `at`. Nothing where it has problems.
[[nodiscard]] std::optional<Subscription> read_subscription(const std::string& name, config::Place at,
                                                            const config::Node& node,
                                                            config::Problems& problems);

// A JSON Schema of one subscription, and the rows of its reference.
[[nodiscard]] std::string subscription_schema();
[[nodiscard]] std::string subscription_reference();

}  // namespace flotilla::events
