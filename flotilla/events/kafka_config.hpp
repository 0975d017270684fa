// `stores.events: kafka://...`: which Kafka the topics are bridged to, and as which group.
//
//   kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT...][?group=NAME&from=earliest|latest&mechanism=SASL_MECHANISM]
//
// or kafkas:// where the brokers speak TLS. For: the file's reader and the bridge. Ownership: plain values.
// Threads: pure functions. Limits: kMaxBrokers, kMaxGroup. Errors never repeat what may be a password.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/kafka_access.hpp"

namespace flotilla::events {

inline constexpr std::string_view kKafkaScheme = "kafka://";
inline constexpr std::string_view kKafkaTlsScheme = "kafkas://";
inline constexpr std::string_view kDefaultMechanism = "SCRAM-SHA-512";
inline constexpr std::size_t kMaxBrokers = 64;
inline constexpr std::size_t kMaxGroup = 200;

struct KafkaConfig {
  journal::kafka::Access access;
  std::string group;         // empty: one of this journal alone
  bool from_latest = false;  // where a new group begins
  friend bool operator==(const KafkaConfig&, const KafkaConfig&) = default;
};

[[nodiscard]] bool is_kafka(std::string_view store) noexcept;

// Errors: invalid (a sentence).
[[nodiscard]] Result<KafkaConfig> parse_kafka(std::string_view address);

// What is wrong with the parts together, whether the address has them or another key of the file. Puts the
// mechanism in where none is named. Errors: invalid.
[[nodiscard]] Result<> complete(KafkaConfig& config);

}  // namespace flotilla::events
