#include "flotilla/events/kafka_config.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::events {
namespace {

constexpr std::array kMechanisms = {std::string_view("PLAIN"), std::string_view("SCRAM-SHA-256"),
                                    kDefaultMechanism};

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
  if (key == "mechanism") {
    config.access.mechanism = option;
    return {};
  }
  return fail(
      Errc::invalid,
      "behind the ? stand group=NAME, from=earliest or from=latest, and mechanism=NAME of SASL, with & "
      "between");
}

// USER:PASSWORD, percent-encoded.
Result<> read_user(std::string_view who, KafkaConfig& config) {
  const std::size_t colon = std::min(who.find(':'), who.size());
  auto user = http::percent_decode(who.substr(0, colon));
  auto password = http::percent_decode(who.substr(std::min(colon + 1, who.size())));
  if (!user || !password || user->empty() || password->empty()) {
    return fail(Errc::invalid, "what stands before the @ is USER:PASSWORD, with % written as %25");
  }
  config.access.user = std::move(*user);
  config.access.password = std::move(*password);
  return {};
}

}  // namespace

bool is_kafka(std::string_view store) noexcept {
  return store.starts_with(kKafkaScheme) || store.starts_with(kKafkaTlsScheme);
}

Result<KafkaConfig> parse_kafka(std::string_view address) {
  KafkaConfig config;
  config.access.tls = address.starts_with(kKafkaTlsScheme);
  address.remove_prefix((config.access.tls ? kKafkaTlsScheme : kKafkaScheme).size());
  // A password may have any character, so the last @ is the one behind it.
  if (const std::size_t at = address.rfind('@'); at != std::string_view::npos) {
    if (auto read = read_user(address.substr(0, at), config); !read) {
      return std::unexpected(std::move(read.error()));
    }
    address.remove_prefix(at + 1);
  }
  const std::string_view brokers = cut(address, '?');
  std::size_t count = 0;
  for (std::string_view rest = brokers; count == 0 || !rest.empty(); ++count) {
    if (!is_broker(cut(rest, ',')) || count == kMaxBrokers) {
      return fail(
          Errc::invalid,
          fmt::format("use kafka://HOST:PORT, or up to {} of them with commas between; kafkas:// where "
                      "they speak TLS",
                      kMaxBrokers));
    }
  }
  config.access.brokers = brokers;
  while (!address.empty()) {
    if (auto read = read_option(cut(address, '&'), config); !read) {
      return std::unexpected(std::move(read.error()));
    }
  }
  return config;
}

Result<> complete(KafkaConfig& config) {
  journal::kafka::Access& access = config.access;
  if (access.user.empty() != access.password.empty()) {
    return fail(Errc::invalid, "a user of Kafka (SASL) has a password, and a password a user");
  }
  if (access.user.empty()) {
    return access.mechanism.empty() ? Result<>()
                                    : fail(Errc::invalid, "a mechanism of SASL needs a user and a password");
  }
  if (access.mechanism.empty()) {
    access.mechanism = kDefaultMechanism;
  }
  if (std::ranges::find(kMechanisms, access.mechanism) == kMechanisms.end()) {
    return fail(Errc::invalid,
                fmt::format("the mechanism of SASL is one of {}", fmt::join(kMechanisms, ", ")));
  }
  if (access.mechanism == "PLAIN" && !access.tls) {
    return fail(Errc::invalid,
                fmt::format("PLAIN sends the password readable: use kafkas:// (TLS), or the mechanism {}",
                            kDefaultMechanism));
  }
  return {};
}

}  // namespace flotilla::events
