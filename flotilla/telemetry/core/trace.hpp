// Trace context as the W3C Recommendation "Trace Context" writes it in the traceparent header.
//
// For: continuing a caller's trace or beginning one, and naming the span of what is sent on. Pure, and
// without allocation: text goes into a caller's fixed array.
// Ownership, threads: plain values. Limits: ids identify, they are no secrets (Random is not cryptographic).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "flotilla/base/random.hpp"

namespace flotilla::telemetry {

// version "-" trace-id "-" parent-id "-" trace-flags: 2 + 1 + 32 + 1 + 16 + 1 + 2 characters.
inline constexpr std::size_t kTraceparentSize = 55;
using TraceparentText = std::array<char, kTraceparentSize>;
using TraceIdText = std::array<char, 32>;

struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};  // of the whole transaction; never all zero
  std::array<std::uint8_t, 8> span_id{};    // of this hop ("parent-id" in the header); never all zero
  bool sampled = false;                     // the caller may have recorded this trace
  bool random = false;  // the last 7 bytes of trace_id are random (level 2 of the standard)
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// Nothing if the header must be ignored and a new trace begun: not hexadecimal in lower case, an id of
// zeros, version ff, or a version 00 of another length. What a later version appends after a '-' is
// ignored, as the standard asks (section "Versioning of traceparent").
[[nodiscard]] std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept;

// The beginning of a new trace.
[[nodiscard]] TraceContext new_trace(Random& random, bool sampled) noexcept;
// The next hop of the same trace: a new span, everything else kept.
[[nodiscard]] TraceContext child_of(const TraceContext& parent, Random& random) noexcept;

// In version 00, the only one that we may write.
[[nodiscard]] TraceparentText traceparent(const TraceContext& context) noexcept;
// The trace's id alone, for logs.
[[nodiscard]] TraceIdText trace_id_text(const TraceContext& context) noexcept;

}  // namespace flotilla::telemetry
