// The address of a store that `stores:` names, as text or as a mapping: so that a password may stand by
// itself, as it is, and the files of TLS have keys of their own.
//
// For: store_config.cpp. Ownership: values. Threads: pure functions. Limits: none of its own. No message has
// anything of what may be a password.
#pragma once

#include <optional>
#include <string>

#include "flotilla/config/spec.hpp"
#include "flotilla/cqrs/core/redis_address.hpp"
#include "flotilla/events/kafka_config.hpp"

namespace flotilla::app {

// The Redis of copies; nothing: `embedded`. Relative paths are relative to the folder of `file`.
[[nodiscard]] config::Kind<std::optional<cqrs::RedisAddress>> redis_store(const std::string& file);
// The Kafka of topics; nothing: `embedded`.
[[nodiscard]] config::Kind<std::optional<events::KafkaConfig>> kafka_store(const std::string& file);

}  // namespace flotilla::app
