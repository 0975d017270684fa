#include "flotilla/cqrs/core/redis_address.hpp"

#include <optional>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::cqrs {
namespace {

constexpr std::string_view kScheme = "redis://";
constexpr std::string_view kTlsScheme = "rediss://";
constexpr std::uint32_t kMaxDatabase = 1'000'000;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(Errc::invalid,
              fmt::format("{}; write redis://HOST:PORT/DATABASE, or rediss:// where it speaks TLS, with "
                          ":PASSWORD@ before the host where one is needed",
                          what));
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

}  // namespace

std::string RedisAddress::name() const {
  const bool bracketed = host.contains(':');
  return fmt::format("{}{}{}{}:{}/{}", tls ? kTlsScheme : kScheme, bracketed ? "[" : "", host,
                     bracketed ? "]" : "", port, database);
}

bool is_redis(std::string_view store) noexcept {
  return store.starts_with(kScheme) || store.starts_with(kTlsScheme);
}

Result<RedisAddress> parse_redis_address(std::string_view url) {
  if (!is_redis(url)) {
    return wrong("this is no address of a Redis");
  }
  RedisAddress out;
  out.tls = url.starts_with(kTlsScheme);
  std::string_view rest = url.substr((out.tls ? kTlsScheme : kScheme).size());
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = rest.substr(0, at);
    const auto colon = who.find(':');
    const auto user = decoded(who.substr(0, colon));
    const auto password = decoded(colon == std::string_view::npos ? "" : who.substr(colon + 1));
    if (!user || !password || (!user->empty() && password->empty())) {
      return wrong("what stands before the @ is USER:PASSWORD or :PASSWORD, with % written as %25");
    }
    out.user = *user;
    out.password = *password;
    rest = rest.substr(at + 1);
  }
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view text = rest.substr(slash + 1);
    const auto database = parse_int<std::uint32_t>(text);
    if (!text.empty() && (!database || *database > kMaxDatabase)) {
      return wrong("what stands behind the / is the number of a database");
    }
    out.database = database.value_or(0);
    rest = rest.substr(0, slash);
  }
  const bool bracketed = rest.starts_with('[');
  const auto end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && end == std::string_view::npos) {
    return wrong("a ] is missing");
  }
  out.host = bracketed ? rest.substr(1, end - 1) : rest.substr(0, end);
  const std::string_view behind =
      end == std::string_view::npos ? std::string_view() : rest.substr(bracketed ? end + 1 : end);
  if (!behind.empty()) {
    const auto port = parse_int<std::uint16_t>(behind.substr(1));
    if (behind.front() != ':' || !port || *port == 0) {
      return wrong("the port is a number from 1 to 65535");
    }
    out.port = *port;
  }
  if (out.host.empty()) {
    return wrong("the host is missing");
  }
  return out;
}

}  // namespace flotilla::cqrs
