#include "flotilla/http/core/authority.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

bool is_hex(char c) { return hex_digit(c) >= 0; }

// Dotted decimal, as in the last 32 bits of an IPv6 address.
bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    const auto value = part.size() <= 3 ? parse_int<std::uint32_t>(part) : std::nullopt;
    if (!value || *value > 255 || (part.size() > 1 && part.front() == '0')) {
      return false;
    }
    ++parts;
    if (dot == std::string_view::npos) {
      return parts == 4;
    }
    text.remove_prefix(dot + 1);
  }
}

// Groups between single colons; -1 if malformed. `with_ipv4`: the last may be dotted decimal (two groups).
int count_groups(std::string_view text, bool with_ipv4) {
  if (text.empty()) {
    return 0;
  }
  int groups = 0;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && with_ipv4 && group.find('.') != std::string_view::npos) {
      return is_ipv4(group) ? groups + 2 : -1;
    }
    if (group.empty() || group.size() > 4 || !std::ranges::all_of(group, is_hex)) {
      return -1;
    }
    ++groups;
    if (last) {
      return groups;
    }
    text.remove_prefix(colon + 1);
  }
}

constexpr std::array<bool, 256> kNameChars = [] {
  std::array<bool, 256> table{};
  for (const char c :
       std::string_view{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

// Labels between dots, none empty; the empty name counts as one.
bool is_name(std::string_view text) {
  bool good = !text.starts_with('.') && !text.ends_with('.');
  char before = 0;
  for (const char c : text) {
    good &= kNameChars[static_cast<unsigned char>(c)] && !(c == '.' && before == '.');
    before = c;
  }
  return good;
}

// After the host: nothing, ":" or ":PORT".
bool parse_port(std::string_view text, std::optional<std::uint16_t>& port) {
  if (text.empty() || text == ":") {
    return true;
  }
  if (text.front() != ':' || text.size() > 6) {
    return false;
  }
  port = parse_int<std::uint16_t>(text.substr(1));
  return port.has_value();
}

}  // namespace

bool is_ipv6(std::string_view text) noexcept {
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    return count_groups(text, true) == 8;
  }
  const int before = count_groups(text.substr(0, gap), false);
  const int after = count_groups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

std::optional<Authority> parse_authority(std::string_view text) noexcept {
  Authority authority;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1)) ||
        !parse_port(text.substr(close + 1), authority.port)) {
      return std::nullopt;
    }
    authority.host = text.substr(0, close + 1);
    return authority;
  }
  const std::size_t colon = text.find(':');
  authority.host = text.substr(0, colon);
  if (colon != std::string_view::npos && !parse_port(text.substr(colon), authority.port)) {
    return std::nullopt;
  }
  if (authority.host.size() > 1 && authority.host.ends_with('.')) {
    authority.host.remove_suffix(1);
  }
  return is_name(authority.host) ? std::optional{authority} : std::nullopt;
}

}  // namespace flotilla::http
