// Messages of Kafka as values: what goes out, what comes in, and how far a partition was read.
//
// For: the client (kafka_producer.hpp, kafka_consumer.hpp) and whoever decides over them. Ownership: values.
// Threads: values. Limits: those of the brokers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flotilla::journal::kafka {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Outgoing {
  std::string topic;
  std::optional<std::string> key;
  std::string_view value;
  Headers headers;
};

enum class Delivery : std::uint8_t {
  confirmed,  // by all in-sync replicas
  refused,    // for what it is: too large, invalid; it never will be taken
  lost,       // now; it may be taken another time
};

struct Incoming {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = -1;  // below 0: none
  std::optional<std::string> key;
  std::string value;
  Headers headers;
};

struct PartitionOffset {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;  // the next one to be read
};

}  // namespace flotilla::journal::kafka
