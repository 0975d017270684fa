// `stores:` of the file: where what must survive is kept.
//
// For: config_file.cpp. Threads: plain values, pure functions. Limits: none of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flotilla/config/spec.hpp"
#include "flotilla/cqrs/core/redis_address.hpp"
#include "flotilla/events/kafka_config.hpp"

namespace flotilla::app {

struct StoresConfig {
  std::string journal;  // path of the SQLite file, or a PostgreSQL address; empty: not named
  std::string archive;  // the folder for what the journal forgets; empty: none
  std::optional<cqrs::RedisAddress> views;   // where copies of views go
  std::optional<events::KafkaConfig> kafka;  // what topics are bridged to
  bool named = false;                        // the file has `stores`
};

inline constexpr std::string_view kDefaultJournal = "sqlite:./data/flotilla.db";

// Whether a journal is shared, in PostgreSQL. Its address may hold a password.
[[nodiscard]] bool is_postgres(std::string_view journal) noexcept;

// Relative paths are relative to the folder of `file`.
[[nodiscard]] config::Spec<StoresConfig> stores_spec(const std::string& file);

// The path of kDefaultJournal.
[[nodiscard]] std::string default_journal(const std::string& file);

}  // namespace flotilla::app
