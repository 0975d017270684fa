// `stores.events: kafka://...`: which Kafka the topics are bridged to, and as which group.
//
//   kafka://HOST:PORT[,HOST:PORT...][?group=NAME&from=earliest|latest]
//
// For: the file's reader and the bridge. Ownership: plain values. Threads: pure functions. Limits:
// kMaxBrokers, kMaxGroup. Errors never repeat what may be a password.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::events {

inline constexpr std::string_view kKafkaScheme = "kafka://";
inline constexpr std::size_t kMaxBrokers = 64;
inline constexpr std::size_t kMaxGroup = 200;

struct KafkaConfig {
  std::string brokers;       // HOST:PORT, with commas between
  std::string group;         // empty: one of this journal alone
  bool from_latest = false;  // where a new group begins
  friend bool operator==(const KafkaConfig&, const KafkaConfig&) = default;
};

// Errors: invalid (a sentence).
[[nodiscard]] Result<KafkaConfig> parse_kafka(std::string_view address);

}  // namespace flotilla::events
