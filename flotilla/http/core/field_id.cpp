#include "flotilla/http/core/field_id.hpp"

#include <array>
#include <cstring>
#include <string>

#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

constexpr std::size_t kKnown = static_cast<std::size_t>(FieldId::grpc_timeout) + 1;
constexpr std::array<std::string_view, kKnown> kFieldNames{"",
                                                           "host",
                                                           "connection",
                                                           "content-length",
                                                           "transfer-encoding",
                                                           "te",
                                                           "trailer",
                                                           "upgrade",
                                                           "expect",
                                                           "keep-alive",
                                                           "proxy-connection",
                                                           "proxy-authenticate",
                                                           "proxy-authorization",
                                                           "proxy",
                                                           "x-forwarded-for",
                                                           "x-forwarded-proto",
                                                           "x-forwarded-host",
                                                           "x-forwarded-port",
                                                           "x-forwarded-path",
                                                           "x-forwarded-prefix",
                                                           "x-real-ip",
                                                           "forwarded",
                                                           "via",
                                                           "traceparent",
                                                           "tracestate",
                                                           "authorization",
                                                           "idempotency-key",
                                                           "cookie",
                                                           "set-cookie",
                                                           "content-type",
                                                           "content-encoding",
                                                           "date",
                                                           "server",
                                                           "retry-after",
                                                           "cache-control",
                                                           "age",
                                                           "vary",
                                                           "expires",
                                                           "etag",
                                                           "last-modified",
                                                           "location",
                                                           "max-forwards",
                                                           "accept",
                                                           "accept-encoding",
                                                           "origin",
                                                           "user-agent",
                                                           "x-request-id",
                                                           "x-request-timeout-ms",
                                                           "sec-websocket-key",
                                                           "sec-websocket-version",
                                                           "sec-websocket-accept",
                                                           "sec-websocket-protocol",
                                                           "range",
                                                           "if-none-match",
                                                           "if-modified-since",
                                                           "flotilla-error",
                                                           "allow",
                                                           "www-authenticate",
                                                           "grpc-timeout"};

constexpr std::size_t kLongest = 24;  // room for the longest name, zero padded
constexpr std::uint32_t kMultiplier =
    0xcb3c3be1;  // found by trying: no two names share a slot (asserted below)

// First, middle and last-but-one character with the length. Or-ing 0x20 lowers letters and keeps
// digits and `-`; other token characters may collide, which the compare afterwards sorts out.
constexpr std::uint32_t slot_of(std::string_view name) noexcept {
  const auto at = [name](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i]) | 0x20U);
  };
  const auto length = static_cast<std::uint32_t>(name.size());
  const std::uint32_t key = at(0) | at(length / 2) << 8U | at(length - 2) << 16U | length << 24U;
  return (key * kMultiplier) >> 24U;
}

struct alignas(32) Slot {  // a power of two, so that indexing is a shift
  std::array<char, kLongest> name{};
  std::uint8_t length = 0;
  FieldId id = FieldId::other;
};

constexpr std::array<Slot, 256> make_slots() {
  std::array<Slot, 256> slots{};
  for (std::size_t i = 1; i < kKnown; ++i) {
    Slot& slot = slots[slot_of(kFieldNames[i])];
    if (slot.length != 0) {
      throw "two names share a slot: choose another kMultiplier";  // at compile time only
    }
    for (std::size_t k = 0; k < kFieldNames[i].size(); ++k) {
      slot.name[k] = kFieldNames[i][k];
    }
    slot.length = static_cast<std::uint8_t>(kFieldNames[i].size());
    slot.id = static_cast<FieldId>(i);
  }
  return slots;
}
constexpr std::array<Slot, 256> kSlots = make_slots();

template <class Word>
bool same_word(const char* received, const char* lower) noexcept {
  Word a{};
  Word b{};
  std::memcpy(&a, received, sizeof a);
  std::memcpy(&b, lower, sizeof b);
  constexpr Word kCase = static_cast<Word>(0x2020202020202020ULL);
  return (a | kCase) == b;
}

// Exact for our names, which have only letters, digits and `-`: within token characters or-ing 0x20
// maps nothing else onto those.
bool same_name(const char* received, const char* lower, std::size_t length) noexcept {
  if (length >= 8) {
    for (std::size_t i = 0; i + 8 < length; i += 8) {
      if (!same_word<std::uint64_t>(received + i, lower + i)) {
        return false;
      }
    }
    return same_word<std::uint64_t>(received + length - 8, lower + length - 8);
  }
  if (length >= 4) {
    return same_word<std::uint32_t>(received, lower) &&
           same_word<std::uint32_t>(received + length - 4, lower + length - 4);
  }
  return iequals({received, length}, {lower, length});
}

bool starts_with(std::string_view name, std::string_view lower_prefix) noexcept {
  return name.size() >= lower_prefix.size() && iequals(name.substr(0, lower_prefix.size()), lower_prefix);
}

FieldId known(std::string_view name) noexcept {
  if (name.size() < 2 || name.size() > kLongest) {
    return FieldId::other;
  }
  const Slot& slot = kSlots[slot_of(name)];
  if (slot.length != name.size() || !same_name(name.data(), slot.name.data(), name.size())) {
    return FieldId::other;
  }
  return slot.id;
}

FieldId family(std::string_view name) noexcept {
  switch (ascii_lower(name.front())) {
    case 'x':
      if (starts_with(name, "x-forwarded-")) {
        return FieldId::x_forwarded_other;
      }
      if (starts_with(name, "x-consumer-") || iequals(name, "x-credential-identifier") ||
          iequals(name, "x-anonymous-consumer")) {
        return FieldId::identity;
      }
      return FieldId::other;
    case 's':
      return starts_with(name, "saga-") ? FieldId::reserved : FieldId::other;
    case 'e':
      return starts_with(name, "event-") ? FieldId::reserved : FieldId::other;
    case 'f':
      return starts_with(name, "flotilla-") ? FieldId::reserved : FieldId::other;
    default:
      return FieldId::other;
  }
}

// Long enough for every known name and the prefixes of families; what lies behind cannot matter.
constexpr std::size_t kAliasWindow = 32;

FieldId alias(std::string_view name) noexcept {
  std::array<char, kAliasWindow> dashed{};
  const std::size_t length = std::min(name.size(), kAliasWindow);
  for (std::size_t i = 0; i < length; ++i) {
    dashed[i] = name[i] == '_' ? '-' : name[i];
  }
  const std::string_view spelled{dashed.data(), length};
  const bool means_more = known(spelled) != FieldId::other || family(spelled) != FieldId::other;
  return means_more ? FieldId::underscore_alias : FieldId::other;
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  if (name.empty()) {
    return FieldId::other;
  }
  if (const FieldId id = known(name); id != FieldId::other) {
    return id;
  }
  if (const FieldId id = family(name); id != FieldId::other) {
    return id;
  }
  return std::memchr(name.data(), '_', name.size()) == nullptr ? FieldId::other : alias(name);
}

std::string_view field_name(FieldId id) noexcept {
  const auto index = static_cast<std::size_t>(id);
  return index < kKnown ? kFieldNames[index] : std::string_view{};
}

}  // namespace flotilla::http
