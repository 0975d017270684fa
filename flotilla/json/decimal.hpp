// Decimal arithmetic on 34 significant digits, the precision of IEEE 754-2008 decimal128.
//
// For: the expression language. Sums, differences and products that fit in 34
// digits are exact; longer ones, and quotients, are rounded half to even. There is no NaN, no infinity and
// no negative zero. Ownership, threads: plain values, pure functions.
// Limits: exponents of +-1,000,000; what would leave them is nothing (optional), never a wrong value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/random.hpp"

namespace flotilla::json {

class Decimal {
 public:
  static constexpr int kDigits = 34;
  static constexpr std::int32_t kMaxExponent = 1'000'000;

  Decimal() = default;  // zero
  explicit Decimal(std::int64_t value) noexcept;

  // A JSON number (number.hpp), rounded to 34 digits if it has more; nothing if its exponent is out of range.
  [[nodiscard]] static std::optional<Decimal> parse(std::string_view text) noexcept;

  // The shortest JSON number: "12", "-0.5", "1.5e-9". Plain notation from 1e-6 up to 34 digits.
  [[nodiscard]] std::string to_text() const;

  [[nodiscard]] bool is_zero() const noexcept { return coefficient_ == 0; }
  [[nodiscard]] bool is_negative() const noexcept { return negative_; }
  [[nodiscard]] Decimal negated() const noexcept;
  // The nearest integral value not above this one; toward zero.
  [[nodiscard]] Decimal floor() const noexcept;
  [[nodiscard]] Decimal truncated() const noexcept;
  // The value, if it is integral and fits.
  [[nodiscard]] std::optional<std::int64_t> to_int() const noexcept;

  [[nodiscard]] static std::optional<Decimal> add(Decimal a, Decimal b) noexcept;
  [[nodiscard]] static std::optional<Decimal> multiply(const Decimal& a, const Decimal& b) noexcept;
  // Asserts that b is not zero.
  [[nodiscard]] static std::optional<Decimal> divide(const Decimal& a, const Decimal& b) noexcept;

 private:
  // Rounds coefficient * 10^exponent, plus something below one unit of it if `sticky`, to kDigits.
  [[nodiscard]] static std::optional<Decimal> rounded(bool negative, Uint128 coefficient,
                                                      std::int64_t exponent, bool sticky) noexcept;

  // The value is +-coefficient_ * 10^exponent_; coefficient_ < 10^34 without trailing zeros; zero has
  // exponent 0.
  bool negative_ = false;
  std::int32_t exponent_ = 0;
  Uint128 coefficient_ = 0;
};

}  // namespace flotilla::json
