#include "flotilla/config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>

#include "flotilla/base/text.hpp"

namespace flotilla::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// `text` as digits followed by one of `units`; nothing if it is not, or exceeds `most`.
std::optional<std::uint64_t> with_unit(std::string_view text, std::span<const Unit> units,
                                       std::uint64_t most) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_int<std::uint64_t>(text.substr(0, digits));
  if (!number) {
    return std::nullopt;
  }
  for (const Unit& unit : units) {
    if (text.substr(digits) == unit.name && *number <= most / unit.factor) {
      return *number * unit.factor;
    }
  }
  return std::nullopt;
}

constexpr std::array<Unit, 6> kDurations{{{"us", 1'000},
                                          {"ms", 1'000'000},
                                          {"s", 1'000'000'000},
                                          {"m", 60'000'000'000},
                                          {"h", 3'600'000'000'000},
                                          {"d", 86'400'000'000'000}}};
constexpr std::uint64_t kTenYears = 3650 * 86'400'000'000'000ULL;
constexpr std::array<Unit, 4> kSizes{
    {{"B", 1}, {"KiB", 1024}, {"MiB", std::uint64_t{1} << 20}, {"GiB", std::uint64_t{1} << 30}}};

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto ns = with_unit(text, kDurations, kTenYears);
  if (!ns) {
    return fail(Errc::invalid,
                "must be a duration: a whole number with its unit, such as 250ms, 5s, 10m, 1h or 7d");
  }
  return Duration(static_cast<std::int64_t>(*ns));
}

Result<DurationRange> parse_duration_range(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots != std::string_view::npos) {
    const auto first = parse_duration(text.substr(0, dots));
    const auto last = parse_duration(text.substr(dots + 2));
    if (first && last && *first <= *last) {
      return DurationRange{*first, *last};
    }
  }
  return fail(Errc::invalid, "must be FIRST..CAP, two durations, such as 25ms..250ms");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bytes = with_unit(text, kSizes, std::uint64_t{1} << 40);
  if (!bytes) {
    return fail(Errc::invalid, "must be a size: a whole number with its unit, such as 512B, 64KiB or 10MiB");
  }
  return *bytes;
}

Result<double> parse_share(std::string_view text) {
  double percent = 0;
  if (text.ends_with('%')) {
    const char* const end = text.data() + text.size() - 1;
    const auto [at, error] = std::from_chars(text.data(), end, percent, std::chars_format::fixed);
    if (error == std::errc{} && at == end && percent >= 0 && percent <= 100) {
      return percent / 100;
    }
  }
  return fail(Errc::invalid, "must be a share of 0% to 100%, such as 25%");
}

Result<Rate> parse_rate(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto count = parse_int<std::uint64_t>(text.substr(0, slash));
    const std::string unit = "1" + std::string(text.substr(slash + 1));
    const auto period = unit.size() == 2 ? with_unit(unit, kDurations, kTenYears) : std::nullopt;
    if (count && *count > 0 && period) {
      return Rate{*count, Duration(static_cast<std::int64_t>(*period))};
    }
  }
  return fail(Errc::invalid, "must be a rate, such as 100/s, 1000/m or 5/h");
}

namespace {

constexpr std::size_t kLongestHost = 253;  // RFC 1035, 2.3.4, as text

bool is_ip(int family, std::string_view text) {
  in6_addr bytes{};
  return inet_pton(family, std::string(text).c_str(), &bytes) == 1;
}

bool is_host_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

// A name or an IPv4 address. What ends in a number is an address, so that 10.0.0.256 is no name.
bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kLongestHost || host.front() == '.' || host.front() == '-' ||
      host.contains("..") || !std::ranges::all_of(host, is_host_character)) {
    return false;
  }
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  return last.empty() || !std::ranges::all_of(last, is_digit) || is_ip(AF_INET, host);
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    std::string_view host = text.substr(0, colon);
    const auto port = parse_int<std::uint16_t>(text.substr(colon + 1));
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
      host = host.substr(1, host.size() - 2);
    }
    if (port && (bracketed ? is_ip(AF_INET6, host) : is_host(host))) {
      return HostPort{host, *port};
    }
  }
  return fail(Errc::invalid, "must be HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000");
}

std::string show_size(std::uint64_t bytes) {
  const Unit* best = &kSizes.front();
  for (const Unit& unit : kSizes) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      best = &unit;
    }
  }
  return std::to_string(bytes / best->factor) + std::string(best->name);
}

bool is_ip_address(std::string_view host) { return is_ip(AF_INET, host) || is_ip(AF_INET6, host); }

}  // namespace flotilla::config
