// Finding the lines of a head, 64 bytes at a time.
//
// For http1_parser.cpp and body.cpp only. One pass classifies bytes (AVX2 where the processor has
// it, chosen once at start; else a table); everything after it is arithmetic on 64-bit masks.
// Never reads outside of the bytes given. Threads: pure functions; the choice is made before main.
// Ownership: results go into the caller's HeadScan. Limits: HeadLimits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "flotilla/http/core/head.hpp"

namespace flotilla::http {

// out[i] gets the classes of the 64 bytes at bytes + 64*i.
using ClassifyFunction = void (*)(const char* bytes, std::size_t blocks, ByteClasses* out);
[[nodiscard]] ClassifyFunction portable_classifier() noexcept;
// The fastest one this processor can run.
[[nodiscard]] ClassifyFunction best_classifier() noexcept;

[[nodiscard]] bool is_token_char(char c) noexcept;  // RFC 9110 5.6.2
[[nodiscard]] bool is_token(std::string_view text) noexcept;

enum class ScanResult : std::uint8_t {
  complete,  // the empty line was found; `end` is behind it
  need_more,
  bare_lf,
  bare_cr,
  control,        // NUL or another control character
  line_too_long,  // the first line
  head_too_long,
  too_many_fields,
};
struct ScanOutcome {
  ScanResult result = ScanResult::need_more;
  std::size_t end = 0;  // for complete: the head's length
};

// Continues `scan` over `head`, all bytes from the head's first line on. The first error by position
// wins, so the outcome does not depend on how the bytes were split.
[[nodiscard]] ScanOutcome scan_head(std::string_view head, const HeadLimits& limits, HeadScan& scan);

// Offset of the first byte in [from, to) that may not stand in a token, or `to`.
// The range must have been scanned.
[[nodiscard]] inline std::size_t token_end(const HeadScan& scan, std::size_t from, std::size_t to) noexcept {
  std::size_t block = from / 64;
  std::uint64_t mask = scan.classes[block].not_token & (~std::uint64_t{0} << (from % 64));
  while (mask == 0) {
    ++block;
    if (block * 64 >= to) {
      return to;
    }
    mask = scan.classes[block].not_token;
  }
  const std::size_t at = block * 64 + static_cast<std::size_t>(__builtin_ctzll(mask));
  return at < to ? at : to;
}

}  // namespace flotilla::http
