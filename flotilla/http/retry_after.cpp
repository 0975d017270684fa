#include "flotilla/http/retry_after.hpp"

#include <algorithm>
#include <ctime>
#include <string>

#include "flotilla/base/text.hpp"

namespace flotilla::http {

std::optional<Duration> read_retry_after(std::string_view value, WallTime now) noexcept {
  if (const auto seconds = parse_int<std::uint32_t>(value)) {
    return std::chrono::seconds(*seconds);
  }
  // IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
  std::tm parts{};
  const std::string text(value);
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') {
    return std::nullopt;
  }
  const std::int64_t left = ::timegm(&parts) - now.ns_since_epoch / 1'000'000'000;
  return std::chrono::seconds(std::max<std::int64_t>(left, 0));
}

}  // namespace flotilla::http
