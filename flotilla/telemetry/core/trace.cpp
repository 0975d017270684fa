#include "flotilla/telemetry/core/trace.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace flotilla::telemetry {
namespace {

constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kSpanIdAt = 36;
constexpr std::size_t kFlagsAt = 53;
constexpr std::uint8_t kSampled = 0x01;
constexpr std::uint8_t kRandom = 0x02;

// Upper case is refused: the standard allows lower case only.
int lower_hex_digit(char c) noexcept {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> out) noexcept {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = lower_hex_digit(text[2 * i]);
    const int low = lower_hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

// "00" "01" .. "ff": a trace id is written for every request.
constexpr std::array<char, 512> kHexPairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    pairs[2 * byte] = digits[byte / 16];
    pairs[2 * byte + 1] = digits[byte % 16];
  }
  return pairs;
}();

char* write_hex(std::span<const std::uint8_t> bytes, char* out) noexcept {
  for (const std::uint8_t byte : bytes) {
    std::memcpy(out, &kHexPairs[std::size_t{2} * byte], 2);
    out += 2;
  }
  return out;
}

bool all_zero(std::span<const std::uint8_t> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

void fill(std::span<std::uint8_t> id, Random& random) noexcept {
  do {  // an id of zeros means "none"
    for (std::size_t i = 0; i < id.size(); i += sizeof(std::uint64_t)) {
      const std::uint64_t word = random.next();
      std::memcpy(&id[i], &word, sizeof word);
    }
  } while (all_zero(id));
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) noexcept {
  if (header.size() < kTraceparentSize || header[kTraceIdAt - 1] != '-' || header[kSpanIdAt - 1] != '-' ||
      header[kFlagsAt - 1] != '-') {
    return std::nullopt;
  }
  std::array<std::uint8_t, 1> version{};
  std::array<std::uint8_t, 1> flags{};
  TraceContext context;
  if (!read_hex(header, version) || !read_hex(header.substr(kTraceIdAt), context.trace_id) ||
      !read_hex(header.substr(kSpanIdAt), context.span_id) || !read_hex(header.substr(kFlagsAt), flags)) {
    return std::nullopt;
  }
  if (header.size() > kTraceparentSize && (version[0] == 0 || header[kTraceparentSize] != '-')) {
    return std::nullopt;
  }
  if (version[0] == 0xff || all_zero(context.trace_id) || all_zero(context.span_id)) {
    return std::nullopt;
  }
  context.sampled = (flags[0] & kSampled) != 0;
  context.random = (flags[0] & kRandom) != 0;
  return context;
}

TraceContext new_trace(Random& random, bool sampled) noexcept {
  TraceContext context{.sampled = sampled, .random = true};
  fill(context.trace_id, random);
  fill(context.span_id, random);
  return context;
}

TraceContext child_of(const TraceContext& parent, Random& random) noexcept {
  TraceContext context = parent;
  fill(context.span_id, random);
  return context;
}

TraceparentText traceparent(const TraceContext& context) noexcept {
  const std::array<std::uint8_t, 1> version{0};
  const std::array<std::uint8_t, 1> flags{
      static_cast<std::uint8_t>((context.sampled ? kSampled : 0) | (context.random ? kRandom : 0))};
  TraceparentText text{};
  char* out = write_hex(version, text.data());
  *out++ = '-';
  out = write_hex(context.trace_id, out);
  *out++ = '-';
  out = write_hex(context.span_id, out);
  *out++ = '-';
  write_hex(flags, out);
  return text;
}

TraceIdText trace_id_text(const TraceContext& context) noexcept {
  TraceIdText text{};
  write_hex(context.trace_id, text.data());
  return text;
}

}  // namespace flotilla::telemetry
