#include "flotilla/events/kafka_config.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::events {
namespace {

bool is_group(std::string_view name) {
  return !name.empty() && name.size() <= kMaxGroup && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' || c == '_' ||
           c == '-';
  });
}

// HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets.
bool is_broker(std::string_view broker) {
  const std::size_t colon = broker.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return false;
  }
  const auto port = parse_int<std::uint32_t>(broker.substr(colon + 1));
  return port && *port > 0 && *port <= 65535 && std::ranges::all_of(broker.substr(0, colon), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' || c == '_' ||
                  c == '-' || c == ':' || c == '[' || c == ']';
         });
}

// The next piece before `separator`, which goes, too.
std::string_view cut(std::string_view& rest, char separator) {
  const std::size_t at = std::min(rest.find(separator), rest.size());
  const std::string_view piece = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return piece;
}

Result<> read_option(std::string_view option, KafkaConfig& config) {
  const std::string_view key = cut(option, '=');
  if (key == "group") {
    if (!is_group(option)) {
      return fail(Errc::invalid,
                  fmt::format("group: letters, digits, '.', '_' and '-', 1 to {} of them", kMaxGroup));
    }
    config.group = option;
    return {};
  }
  if (key == "from") {
    if (option != "earliest" && option != "latest") {
      return fail(Errc::invalid, "from: use earliest or latest");
    }
    config.from_latest = option == "latest";
    return {};
  }
  return fail(Errc::invalid,
              "behind the ? stand group=NAME and from=earliest or from=latest, with & between");
}

}  // namespace

Result<KafkaConfig> parse_kafka(std::string_view address) {
  address.remove_prefix(kKafkaScheme.size());
  std::string_view brokers = cut(address, '?');
  if (brokers.contains('@')) {
    return fail(Errc::invalid,
                "users and passwords of Kafka (SASL) are not in this build yet; use kafka://HOST:PORT");
  }
  KafkaConfig config;
  std::size_t count = 0;
  for (std::string_view rest = brokers; count == 0 || !rest.empty(); ++count) {
    if (!is_broker(cut(rest, ',')) || count == kMaxBrokers) {
      return fail(Errc::invalid,
                  fmt::format("use kafka://HOST:PORT, or up to {} of them with commas between", kMaxBrokers));
    }
  }
  config.brokers = brokers;
  while (!address.empty()) {
    if (auto read = read_option(cut(address, '&'), config); !read) {
      return std::unexpected(std::move(read.error()));
    }
  }
  return config;
}

}  // namespace flotilla::events
