// Reason phrases of status codes (RFC 9110 15 and RFC 6585), for status lines that we write.
#pragma once

#include <cstdint>
#include <string_view>

namespace flotilla::http {

// Empty for a code without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(std::uint16_t status) noexcept;

// 1xx, 204 and 304 never have a body (RFC 9112 6.3).
[[nodiscard]] constexpr bool status_has_no_body(std::uint16_t status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace flotilla::http
