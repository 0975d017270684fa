#include "flotilla/http/core/scan.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flotilla::http {
namespace {

constexpr bool token_char(unsigned char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kMarks.find(static_cast<char>(c)) != std::string_view::npos;
}
constexpr bool control_char(unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }

constexpr std::uint8_t kControl = 1;
constexpr std::uint8_t kNotToken = 2;
constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) {
    const auto byte = static_cast<unsigned char>(c);
    table[c] =
        static_cast<std::uint8_t>((control_char(byte) ? kControl : 0) | (token_char(byte) ? 0 : kNotToken));
  }
  return table;
}();

void classify_portable(const char* bytes, std::size_t blocks, ByteClasses* out) {
  for (std::size_t block = 0; block < blocks; ++block) {
    ByteClasses classes;
    for (unsigned i = 0; i < 64; ++i) {
      const std::uint64_t found = kClasses[static_cast<unsigned char>(bytes[block * 64 + i])];
      classes.control |= (found & kControl) << i;
      classes.not_token |= ((found & kNotToken) >> 1U) << i;
    }
    out[block] = classes;
  }
}

#if defined(__x86_64__)
// Membership in the token set by two lookups of 16 entries: entry `low nibble` of the first has bit h
// set if the character (h, low) is a token character; the second gives 1 << h for h < 8, else 0.
constexpr std::array<std::uint8_t, 32> kByLowNibble = [] {
  std::array<std::uint8_t, 32> table{};
  for (unsigned low = 0; low < 16; ++low) {
    for (unsigned high = 0; high < 8; ++high) {
      if (token_char(static_cast<unsigned char>(high * 16 + low))) {
        table[low] = static_cast<std::uint8_t>(table[low] | (1U << high));
      }
    }
    table[low + 16] = table[low];  // one copy per 128-bit lane
  }
  return table;
}();
constexpr std::array<std::uint8_t, 32> kByHighNibble = [] {
  std::array<std::uint8_t, 32> table{};
  for (unsigned high = 0; high < 8; ++high) {
    table[high] = static_cast<std::uint8_t>(1U << high);
    table[high + 16] = table[high];
  }
  return table;
}();

struct HalfClasses {
  std::uint32_t control;
  std::uint32_t not_token;
};

__attribute__((target("avx2"), always_inline)) inline HalfClasses classify_32(__m256i bytes, __m256i by_low,
                                                                              __m256i by_high) {
  const __m256i nibble = _mm256_set1_epi8(0x0f);
  const __m256i low = _mm256_and_si256(bytes, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
  const __m256i member =
      _mm256_and_si256(_mm256_shuffle_epi8(by_low, low), _mm256_shuffle_epi8(by_high, high));
  const __m256i not_token = _mm256_cmpeq_epi8(member, _mm256_setzero_si256());
  const __m256i below_blank =
      _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);  // unsigned bytes <= 0x1f
  const __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
  const __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
  const __m256i control = _mm256_or_si256(_mm256_andnot_si256(tab, below_blank), del);
  return {static_cast<std::uint32_t>(_mm256_movemask_epi8(control)),
          static_cast<std::uint32_t>(_mm256_movemask_epi8(not_token))};
}

__attribute__((target("avx2"))) void classify_avx2(const char* bytes, std::size_t blocks, ByteClasses* out) {
  const __m256i by_low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kByLowNibble.data()));
  const __m256i by_high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kByHighNibble.data()));
  for (std::size_t block = 0; block < blocks; ++block) {
    const char* at = bytes + block * 64;
    const HalfClasses a =
        classify_32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)), by_low, by_high);
    const HalfClasses b =
        classify_32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32)), by_low, by_high);
    out[block].control = a.control | std::uint64_t{b.control} << 32U;
    out[block].not_token = a.not_token | std::uint64_t{b.not_token} << 32U;
  }
}
#endif

const ClassifyFunction kClassify = best_classifier();

// Blocks classified ahead at most: a body may follow the head, and scanning it would be waste.
constexpr std::size_t kBlocksAhead = 4;

// Classifies from `block` on; returns the first block that is not classified.
std::size_t classify_ahead(std::string_view head, std::size_t block, HeadScan& scan) {
  const std::size_t whole = std::min((head.size() - block * 64) / 64, kBlocksAhead);
  const std::size_t blocks = std::max<std::size_t>(whole, 1);
  if (scan.classes.size() < block + blocks) {
    scan.classes.resize(block + kBlocksAhead);
  }
  if (whole > 0) {
    kClassify(head.data() + block * 64, whole, &scan.classes[block]);
    return block + whole;
  }
  // The last, partial block: never read past the end. Zeroes count as control characters, but the
  // caller looks at nothing behind the end.
  std::array<char, 64> padded{};
  std::memcpy(padded.data(), head.data() + block * 64, head.size() - block * 64);
  kClassify(padded.data(), 1, &scan.classes[block]);
  return block + 1;
}

ScanResult control_found(std::string_view head, std::size_t at) {
  if (head[at] == '\n') {
    return ScanResult::bare_lf;
  }
  return head[at] == '\r' ? ScanResult::bare_cr : ScanResult::control;
}

// Whether a limit is passed by a head that reaches to `at` without having ended before.
ScanResult check_limits(std::size_t at, const HeadLimits& limits, const HeadScan& scan) {
  if (scan.line_ends.empty() && at > limits.first_line) {
    return ScanResult::line_too_long;
  }
  return at > limits.total ? ScanResult::head_too_long : ScanResult::need_more;
}

// How far the current line may reach: the place from which on check_limits refuses.
std::size_t farthest_line_end(const HeadLimits& limits, const HeadScan& scan) {
  return scan.line_ends.empty() ? std::min(limits.first_line, limits.total) : limits.total;
}

}  // namespace

ClassifyFunction portable_classifier() noexcept { return &classify_portable; }

ClassifyFunction best_classifier() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();  // this may run before constructors do it
  if (__builtin_cpu_supports("avx2")) {
    return &classify_avx2;
  }
#endif
  return &classify_portable;
}

bool is_token_char(char c) noexcept { return (kClasses[static_cast<unsigned char>(c)] & kNotToken) == 0; }

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

void HeadScan::reset() noexcept {
  line_ends.clear();
  scanned = 0;
  line_start = 0;
  skipped = 0;
}

ScanOutcome scan_head(std::string_view head, const HeadLimits& limits, HeadScan& scan) {
  std::size_t scanned = scan.scanned;
  std::size_t line_start = scan.line_start;
  std::size_t farthest = farthest_line_end(limits, scan);
  std::size_t classified = scanned / 64;
  for (std::size_t block = classified; block * 64 < head.size(); ++block) {
    const std::size_t base = block * 64;
    if (block == classified) {
      classified = classify_ahead(head, block, scan);
    }
    std::uint64_t control = scan.classes[block].control;
    if (head.size() - base < 64) {
      control &= (std::uint64_t{1} << (head.size() - base)) - 1;
    }
    if (scanned > base) {
      control &= ~std::uint64_t{0} << (scanned - base);
    }
    while (control != 0) {
      const std::size_t at = base + static_cast<std::size_t>(__builtin_ctzll(control));
      if (at > farthest) {
        return {check_limits(at, limits, scan), 0};
      }
      if (head[at] != '\r') {
        return {control_found(head, at), 0};
      }
      if (at + 1 == head.size()) {
        scan.scanned = static_cast<std::uint32_t>(at);
        scan.line_start = static_cast<std::uint32_t>(line_start);
        return {ScanResult::need_more, 0};
      }
      if (head[at + 1] != '\n') {
        return {ScanResult::bare_cr, 0};
      }
      if (at == line_start) {
        return at + 2 > limits.total ? ScanOutcome{ScanResult::head_too_long, 0}
                                     : ScanOutcome{ScanResult::complete, at + 2};
      }
      if (scan.line_ends.size() > limits.fields) {  // the first line is one of them
        return {ScanResult::too_many_fields, 0};
      }
      scan.line_ends.push_back(static_cast<std::uint32_t>(at));
      line_start = at + 2;
      scanned = at + 2;
      farthest = limits.total;
      control &= scanned - base < 64 ? ~std::uint64_t{0} << (scanned - base) : 0;
    }
    scanned = std::max(scanned, std::min(base + 64, head.size()));
  }
  scan.scanned = static_cast<std::uint32_t>(scanned);
  scan.line_start = static_cast<std::uint32_t>(line_start);
  return {check_limits(head.size(), limits, scan), 0};
}

}  // namespace flotilla::http
