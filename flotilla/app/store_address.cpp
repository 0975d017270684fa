#include "flotilla/app/store_address.hpp"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace flotilla::app {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

constexpr std::string_view kEmbedded = "embedded";

struct StoreAddress {
  std::string url;
  std::string user;
  std::string password;
  std::string mechanism;
  net::TlsFiles files;
};

Spec<StoreAddress> spec_of(const std::string& file, bool sasl) {
  const auto beside = [file](std::string net::TlsFiles::* member) {
    return [file, member](StoreAddress& address, const std::string& path, const Node&, Problems&) {
      address.files.*member = (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
    };
  };
  Spec<StoreAddress> spec(sasl ? "a Kafka" : "a Redis");
  spec.field("url", config::text(), &StoreAddress::url,
             sasl ? "kafka://HOST:PORT, or kafkas:// over TLS"
                  : "redis://HOST:PORT/DATABASE, or rediss:// over TLS");
  spec.field("user", config::text(), &StoreAddress::user,
             sasl ? "the user of SASL" : "the user of Redis' ACL", "none");
  spec.field("password", config::text(), &StoreAddress::password, "as it is; ${file:...} or ${NAME}", "none");
  if (sasl) {
    spec.field("mechanism", config::text(), &StoreAddress::mechanism, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
               std::string(events::kDefaultMechanism));
  }
  spec.field_with<std::string>("ca", config::text(), beside(&net::TlsFiles::ca),
                               "a PEM file: whose certificates are trusted", "the system's");
  spec.field_with<std::string>("certificate", config::text(), beside(&net::TlsFiles::certificate),
                               "a PEM file: the certificate that is shown to the server", "none");
  spec.field_with<std::string>("key", config::text(), beside(&net::TlsFiles::key),
                               "a PEM file: the key of `certificate`, without a passphrase", "none");
  spec.required("url");
  return spec;
}

// What the mapping says beside its url goes into what was read of that. The key at which it is wrong, and
// why.
using Wrong = std::optional<std::pair<const char*, std::string>>;

Wrong fill(const StoreAddress& from, bool tls, net::TlsFiles& files, std::string& user,
           std::string& password) {
  if (!from.user.empty() || !from.password.empty()) {
    if (!user.empty() || !password.empty()) {
      return std::pair(from.password.empty() ? "user" : "password",
                       "the url has a user or a password already; name them in one place");
    }
    user = from.user;
    password = from.password;
  }
  files = from.files;
  if (!tls && files != net::TlsFiles{}) {
    return std::pair(!files.ca.empty()            ? "ca"
                     : !files.certificate.empty() ? "certificate"
                                                  : "key",
                     "the url does not say that the server speaks TLS (rediss://, kafkas://)");
  }
  if (files.certificate.empty() != files.key.empty()) {
    return std::pair(files.key.empty() ? "certificate" : "key", "`certificate` and `key` belong together");
  }
  return std::nullopt;
}

// `read`: of the address and the node of its url, a problem where it is none.
template <class T, class Read>
Kind<std::optional<T>> kind_of(const std::string& form, const Spec<StoreAddress>& spec, Read read) {
  return {
      .form = form,
      .schema = fmt::format(R"({{"anyOf":[{{"type":"string"}},{}]}})", spec.schema()),
      .read = [form, spec, read](const Node& node, Problems& problems) -> std::optional<std::optional<T>> {
        StoreAddress address;
        if (node.kind == Node::Kind::scalar) {
          if (node.text == kEmbedded) {
            return std::optional<std::optional<T>>(std::in_place);
          }
          address.url = node.text;
        } else if (node.kind != Node::Kind::map) {
          config::wrong(node, form, problems);
          return std::nullopt;
        } else if (!spec.read(node, address, problems)) {
          return std::nullopt;
        }
        auto got = read(address, node, problems);
        if (!got) {
          return std::nullopt;
        }
        return std::optional<std::optional<T>>(std::in_place, std::move(*got));
      },
      .reference = [spec](const std::string& prefix) { return spec.reference(prefix); }};
}

config::Place place_of(const Node& node, const char* key) {
  const Node* const found = node.kind == Node::Kind::map ? node.find(key) : nullptr;
  return found == nullptr ? node.place : found->place;
}

std::string_view scheme(std::string_view url) { return url.substr(0, url.find(':')); }

}  // namespace

Kind<std::optional<cqrs::RedisAddress>> redis_store(const std::string& file) {
  return kind_of<cqrs::RedisAddress>(
      "embedded, redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or a mapping with `url`",
      spec_of(file, false),
      [](const StoreAddress& from, const Node& node,
         Problems& problems) -> std::optional<cqrs::RedisAddress> {
        auto address = cqrs::parse_redis_address(from.url);
        if (!address) {
          problems.add(place_of(node, "url"),
                       cqrs::is_redis(from.url)
                           ? address.error().message
                           : fmt::format("there is no store '{}' for views; use embedded, or "
                                         "redis://HOST:PORT/DATABASE for copies of those with `cache`",
                                         scheme(from.url)));
          return std::nullopt;
        }
        if (const Wrong wrong = fill(from, address->tls, address->files, address->user, address->password)) {
          problems.add(place_of(node, wrong->first), wrong->second);
          return std::nullopt;
        }
        if (!address->user.empty() && address->password.empty()) {
          problems.add(place_of(node, "user"), "a user of Redis has a password");
          return std::nullopt;
        }
        return std::move(*address);
      });
}

Kind<std::optional<events::KafkaConfig>> kafka_store(const std::string& file) {
  return kind_of<events::KafkaConfig>(
      "embedded, kafka://[USER:PASSWORD@]HOST:PORT[,...][?group=NAME&from=...], or a mapping with `url`",
      spec_of(file, true),
      [](const StoreAddress& from, const Node& node,
         Problems& problems) -> std::optional<events::KafkaConfig> {
        if (!events::is_kafka(from.url)) {
          // What stands behind the scheme may be a password.
          problems.add(place_of(node, "url"),
                       fmt::format("there is no store '{}' for topics; use embedded or kafka://HOST:PORT",
                                   scheme(from.url)));
          return std::nullopt;
        }
        auto kafka = events::parse_kafka(from.url);
        if (!kafka) {
          problems.add(place_of(node, "url"), std::move(kafka.error().message));
          return std::nullopt;
        }
        journal::kafka::Access& access = kafka->access;
        if (const Wrong wrong = fill(from, access.tls, access.files, access.user, access.password)) {
          problems.add(place_of(node, wrong->first), wrong->second);
          return std::nullopt;
        }
        if (!from.mechanism.empty()) {
          access.mechanism = from.mechanism;
        }
        if (auto done = events::complete(*kafka); !done) {
          problems.add(node.place, std::move(done.error().message));
          return std::nullopt;
        }
        return std::move(*kafka);
      });
}

}  // namespace flotilla::app
