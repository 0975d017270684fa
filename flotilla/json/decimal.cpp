#include "flotilla/json/decimal.hpp"

#include <algorithm>
#include <array>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::json {
namespace {

constexpr std::array<Uint128, 39> kPowers = [] {
  std::array<Uint128, 39> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) {
    powers[i] = powers[i - 1] * 10;
  }
  return powers;
}();

int digits_of(Uint128 value) noexcept {
  return static_cast<int>(std::upper_bound(kPowers.begin(), kPowers.end(), value) - kPowers.begin());
}

// Four 64-bit limbs, lowest first: room for the product of two coefficients (226 bits).
struct Wide {
  std::array<std::uint64_t, 4> limbs{};

  static Wide product(Uint128 a, Uint128 b) noexcept {
    const std::uint64_t x[] = {static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(a >> 64)};
    const std::uint64_t y[] = {static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(b >> 64)};
    Wide w;
    for (std::size_t i = 0; i < 2; ++i) {
      Uint128 carry = 0;
      for (std::size_t j = 0; j < 2; ++j) {
        carry += static_cast<Uint128>(x[i]) * y[j] + w.limbs[i + j];
        w.limbs[i + j] = static_cast<std::uint64_t>(carry);
        carry >>= 64;
      }
      w.limbs[i + 2] = static_cast<std::uint64_t>(carry);
    }
    return w;
  }

  // Divides by ten, gives the remainder.
  unsigned drop_digit() noexcept {
    Uint128 rest = 0;
    for (std::size_t i = limbs.size(); i-- > 0;) {
      rest = (rest << 64) | limbs[i];
      limbs[i] = static_cast<std::uint64_t>(rest / 10);
      rest %= 10;
    }
    return static_cast<unsigned>(rest);
  }

  [[nodiscard]] bool fits() const noexcept { return limbs[3] == 0 && limbs[2] == 0; }
  [[nodiscard]] Uint128 low() const noexcept { return static_cast<Uint128>(limbs[1]) << 64 | limbs[0]; }
};

}  // namespace

Decimal::Decimal(std::int64_t value) noexcept {
  const auto magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  *this = *rounded(value < 0, magnitude, 0, false);
}

std::optional<Decimal> Decimal::rounded(bool negative, Uint128 coefficient, std::int64_t exponent,
                                        bool sticky) noexcept {
  if (const int excess = digits_of(coefficient) - kDigits; excess > 0) {
    const Uint128 unit = kPowers[static_cast<std::size_t>(excess)];
    const Uint128 rest = coefficient % unit;
    coefficient /= unit;
    exponent += excess;
    const Uint128 half = unit / 2;
    if (rest > half || (rest == half && (sticky || (coefficient & 1U) != 0))) {
      ++coefficient;  // 99..9 becomes 10^34, whose zeros go below
    }
  }
  if (coefficient == 0) {
    return Decimal();
  }
  while (coefficient % 10 == 0) {
    coefficient /= 10;
    ++exponent;
  }
  if (exponent > kMaxExponent || exponent < -kMaxExponent) {
    return std::nullopt;
  }
  Decimal d;
  d.negative_ = negative;
  d.exponent_ = static_cast<std::int32_t>(exponent);
  d.coefficient_ = coefficient;
  return d;
}

std::optional<Decimal> Decimal::parse(std::string_view text) noexcept {
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    if (digits.front() == '+') {
      digits.remove_prefix(1);
    }
    exponent = parse_int<std::int64_t>(digits).value_or(0);
    text = text.substr(0, e);
  }
  const bool negative = text.front() == '-';
  Uint128 coefficient = 0;
  bool after_point = false;
  bool sticky = false;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      after_point = true;
      continue;
    }
    if (coefficient < kPowers[37]) {
      coefficient = coefficient * 10 + static_cast<unsigned>(c - '0');
      exponent -= after_point ? 1 : 0;
    } else {  // beyond 37 digits only "was there anything" matters
      sticky |= c != '0';
      exponent += after_point ? 0 : 1;
    }
  }
  return rounded(negative, coefficient, exponent, sticky);
}

std::string Decimal::to_text() const {
  if (is_zero()) {
    return "0";
  }
  std::string digits;
  for (Uint128 rest = coefficient_; rest != 0; rest /= 10) {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  std::ranges::reverse(digits);
  std::string out = negative_ ? "-" : "";
  const auto count = static_cast<std::int32_t>(digits.size());
  const std::int32_t point = count + exponent_;  // digits before the point
  if (exponent_ >= 0 && point <= kDigits) {
    return out + digits + std::string(static_cast<std::size_t>(exponent_), '0');
  }
  if (exponent_ < 0 && point > -6) {
    if (point <= 0) {
      return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
    }
    return out + digits.substr(0, static_cast<std::size_t>(point)) + "." +
           digits.substr(static_cast<std::size_t>(point));
  }
  out += digits.front();
  if (count > 1) {
    out += "." + digits.substr(1);
  }
  return out + "e" + (point > 0 ? "+" : "") + std::to_string(point - 1);
}

Decimal Decimal::negated() const noexcept {
  Decimal d = *this;
  d.negative_ = !negative_ && !is_zero();
  return d;
}

Decimal Decimal::truncated() const noexcept {
  if (exponent_ >= 0) {
    return *this;
  }
  if (-exponent_ > kDigits) {
    return {};
  }
  return *rounded(negative_, coefficient_ / kPowers[static_cast<std::size_t>(-exponent_)], 0, false);
}

Decimal Decimal::floor() const noexcept {
  const Decimal whole = truncated();
  // Without trailing zeros a negative exponent means a fraction; its whole part has fewer than 34 digits.
  return negative_ && exponent_ < 0 ? *add(whole, Decimal(-1)) : whole;
}

std::optional<std::int64_t> Decimal::to_int() const noexcept {
  constexpr int kMostDigits = 19;
  if (exponent_ < 0 || digits_of(coefficient_) + exponent_ > kMostDigits) {
    return is_zero() ? std::optional<std::int64_t>(0) : std::nullopt;
  }
  const Uint128 magnitude = coefficient_ * kPowers[static_cast<std::size_t>(exponent_)];
  const Uint128 limit = (static_cast<Uint128>(1) << 63) - (negative_ ? 0 : 1);
  if (magnitude > limit) {
    return std::nullopt;
  }
  const auto value = static_cast<std::uint64_t>(magnitude);
  return static_cast<std::int64_t>(negative_ ? 0 - value : value);
}

std::optional<Decimal> Decimal::add(Decimal a, Decimal b) noexcept {
  if (a.is_zero() || b.is_zero()) {
    return a.is_zero() ? b : a;
  }
  if (a.exponent_ < b.exponent_) {
    std::swap(a, b);
  }
  // Bring a down to b's exponent as far as 37 digits allow; then b up to a's, keeping only whether any
  // digit was lost. b is then below a by at least two digits, so 34 digits of the result are certain.
  const int room = 37 - digits_of(a.coefficient_);
  const int down = static_cast<int>(std::min<std::int64_t>(room, std::int64_t{a.exponent_} - b.exponent_));
  const Uint128 x = a.coefficient_ * kPowers[static_cast<std::size_t>(down)];
  const std::int64_t exponent = std::int64_t{a.exponent_} - down;
  const std::int64_t up = exponent - b.exponent_;
  const Uint128 unit = up <= kDigits ? kPowers[static_cast<std::size_t>(up)] : 0;
  Uint128 y = unit == 0 ? 0 : b.coefficient_ / unit;
  const bool sticky = unit == 0 || b.coefficient_ % unit != 0;
  if (a.negative_ == b.negative_) {
    return rounded(a.negative_, x + y, exponent, sticky);
  }
  if (sticky) {  // x - (y + part) = x - (y + 1) + (1 - part)
    ++y;
  }
  return x >= y ? rounded(a.negative_, x - y, exponent, sticky)
                : rounded(b.negative_, y - x, exponent, false);
}

std::optional<Decimal> Decimal::multiply(const Decimal& a, const Decimal& b) noexcept {
  Wide product = Wide::product(a.coefficient_, b.coefficient_);
  std::int64_t exponent = std::int64_t{a.exponent_} + b.exponent_;
  bool sticky = false;
  while (!product.fits() || product.low() >= kPowers[37]) {
    sticky |= product.drop_digit() != 0;
    ++exponent;
  }
  return rounded(a.negative_ != b.negative_, product.low(), exponent, sticky);
}

std::optional<Decimal> Decimal::divide(const Decimal& a, const Decimal& b) noexcept {
  FLOTILLA_ASSERT(!b.is_zero());
  if (a.is_zero()) {
    return Decimal();
  }
  // Long division in decimal: at most 36 digits, or fewer where it comes out even.
  std::int64_t exponent = std::int64_t{a.exponent_} - b.exponent_;
  Uint128 quotient = a.coefficient_ / b.coefficient_;
  Uint128 rest = a.coefficient_ % b.coefficient_;
  while (rest != 0 && quotient < kPowers[35]) {
    rest *= 10;
    quotient = quotient * 10 + rest / b.coefficient_;
    rest %= b.coefficient_;
    --exponent;
  }
  return rounded(a.negative_ != b.negative_, quotient, exponent, rest != 0);
}

}  // namespace flotilla::json
