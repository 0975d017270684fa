// Where a Redis is, as the file says it: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// where
// it speaks TLS.
//
// Ownership: values. Threads: pure functions. Limits: none of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/net/core/tls_files.hpp"

namespace flotilla::cqrs {

struct RedisAddress {
  std::string host;
  std::uint16_t port = 6379;
  std::string user;      // empty: the default one
  std::string password;  // what no message may show; empty: none
  std::uint32_t database = 0;
  bool tls = false;
  net::TlsFiles files;  // where it speaks TLS

  // For people: redis://HOST:PORT/DATABASE, or rediss://.
  [[nodiscard]] std::string name() const;
  friend bool operator==(const RedisAddress&, const RedisAddress&) = default;
};

[[nodiscard]] bool is_redis(std::string_view store) noexcept;

// Errors: invalid. No message has anything of what may be a password.
[[nodiscard]] Result<RedisAddress> parse_redis_address(std::string_view url);

}  // namespace flotilla::cqrs
