// Redis' protocol: commands to bytes, bytes to replies, by hiredis, which is loaded when a file first names a
// Redis.
//
// For: redis_connection.hpp, which moves the bytes. Ownership: owns the reader. Threads: one at a time.
// Limits: replies are as long as Redis makes them; ours are short. hiredis of the version it was built with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"

struct redisReader;  // NOLINT(readability-identifier-naming): hiredis' own name

namespace flotilla::cqrs {

struct RedisReply {
  enum class Kind : std::uint8_t { nil, text, number, list, error };
  Kind kind = Kind::nil;
  std::string text;  // of text and error
  std::int64_t number = 0;
  std::vector<RedisReply> items;

  [[nodiscard]] bool is_error() const noexcept { return kind == Kind::error; }
};

class RedisProtocol {
 public:
  // Errors: unsupported, with the package to install.
  [[nodiscard]] static Result<RedisProtocol> load();

  static void append(std::string& out, std::span<const std::string_view> command);

  void feed(std::string_view bytes);
  // The next reply; nothing: its bytes have not come yet. Errors: invalid (it is not Redis that speaks).
  [[nodiscard]] Result<std::optional<RedisReply>> next();

 private:
  explicit RedisProtocol(redisReader* reader) : reader_(reader) {}
  struct Free {
    void operator()(redisReader* reader) const noexcept;
  };
  std::unique_ptr<redisReader, Free> reader_;
};

}  // namespace flotilla::cqrs
