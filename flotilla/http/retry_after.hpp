// The header Retry-After (RFC 9110 10.2.3) of an answer. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "flotilla/base/time.hpp"

namespace flotilla::http {

// Whole seconds, or a date in the one form that senders may use (then the difference to `now`, at least 0).
// Nothing for anything else.
[[nodiscard]] std::optional<Duration> read_retry_after(std::string_view value, WallTime now) noexcept;

}  // namespace flotilla::http
