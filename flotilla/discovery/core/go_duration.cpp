#include "flotilla/discovery/core/go_duration.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/random.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::discovery {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
// Longer names before those that begin them.
constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                      {"us", 1'000},
                                      {"\u00b5s", 1'000},  // micro sign
                                      {"\u03bcs", 1'000},  // Greek mu
                                      {"ms", 1'000'000},
                                      {"s", 1'000'000'000},
                                      {"m", 60'000'000'000},
                                      {"h", 3'600'000'000'000}}};

constexpr Uint128 kMax = static_cast<Uint128>(INT64_MAX);

// Takes one `number unit` off the front of `text` and adds it to `total`; false if there is none.
bool take_part(std::string_view& text, Uint128& total) {
  Uint128 whole = 0;
  Uint128 fraction = 0;
  Uint128 scale = 1;
  std::size_t digits = 0;
  bool after_point = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '.' && !after_point) {
      after_point = true;
    } else if (!is_digit(text[i])) {
      break;
    } else if (const auto digit = static_cast<Uint128>(text[i] - '0'); !after_point) {
      whole = whole * 10 + digit;
      ++digits;
      if (whole > kMax) {
        return false;
      }
    } else {
      ++digits;
      if (scale < 1'000'000'000'000'000) {  // further digits are below a nanosecond for every unit
        fraction = fraction * 10 + digit;
        scale *= 10;
      }
    }
  }
  if (digits == 0) {
    return false;
  }
  text.remove_prefix(i);
  for (const Unit& unit : kUnits) {
    // `m` must not take the first letter of `ms`, which stands before it in the list.
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      const auto ns = static_cast<Uint128>(unit.ns);
      total += whole * ns + fraction * ns / scale;
      return total <= kMax;
    }
  }
  return false;
}

// `value / unit` with its decimals, without trailing zeros.
std::string with_fraction(std::uint64_t value, std::uint64_t unit, std::string_view name) {
  std::string text = std::to_string(value / unit);
  std::uint64_t rest = value % unit;
  if (rest != 0) {
    text += '.';
    for (std::uint64_t place = unit / 10; rest != 0; place /= 10) {
      text += static_cast<char>('0' + rest / place);
      rest %= place;
    }
  }
  return text.append(name);
}

}  // namespace

Result<Duration> parse_go_duration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  if (rest == "0") {
    return Duration{0};
  }
  Uint128 total = 0;
  bool good = !rest.empty();
  while (good && !rest.empty()) {
    good = take_part(rest, total);
  }
  if (!good) {
    return fail(Errc::invalid,
                fmt::format("'{}' is not a duration; write it like 10s, 1m30s or 250ms", text));
  }
  const auto ns = static_cast<std::int64_t>(total);
  return Duration{negative ? -ns : ns};
}

std::string print_go_duration(Duration duration) {
  const std::int64_t count = duration.count();
  std::string text = count < 0 ? "-" : "";
  auto ns =
      count < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  if (ns == 0) {
    return "0s";
  }
  if (ns < 1'000) {
    return text + with_fraction(ns, 1, "ns");
  }
  if (ns < 1'000'000) {
    return text + with_fraction(ns, 1'000, "\u00b5s");
  }
  if (ns < 1'000'000'000) {
    return text + with_fraction(ns, 1'000'000, "ms");
  }
  constexpr std::uint64_t minute = 60'000'000'000;
  constexpr std::uint64_t hour = 60 * minute;
  if (ns >= hour) {
    text += std::to_string(ns / hour) + "h";
  }
  if (ns >= minute) {
    text += std::to_string(ns % hour / minute) + "m";
  }
  return text + with_fraction(ns % minute, 1'000'000'000, "s");
}

}  // namespace flotilla::discovery
