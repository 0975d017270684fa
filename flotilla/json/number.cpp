#include "flotilla/json/number.hpp"

#include <algorithm>
#include <charconv>

#include "flotilla/base/text.hpp"

namespace flotilla::json {
namespace {

// A number taken apart. The value is 0.DDD * 10^point, DDD being the significant digits of whole and
// fraction together without leading zeros.
struct Parts {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::int64_t point = 0;

  [[nodiscard]] bool zero() const noexcept { return whole.empty() && fraction.empty(); }
  [[nodiscard]] std::size_t digits() const noexcept { return whole.size() + fraction.size(); }
  // Digits without the zeros at the end.
  [[nodiscard]] std::size_t significant() const noexcept {
    if (!fraction.empty()) {
      return digits();
    }
    const std::size_t last = whole.find_last_not_of('0');
    return last == std::string_view::npos ? 0 : last + 1;
  }
  // That of the last significant digit: 120 and 0.12 have 1 and -2.
  [[nodiscard]] std::int64_t exponent() const noexcept {
    return point - static_cast<std::int64_t>(significant());
  }
  [[nodiscard]] char digit(std::size_t i) const noexcept {
    if (i < whole.size()) {
      return whole[i];
    }
    i -= whole.size();
    return i < fraction.size() ? fraction[i] : '0';
  }
};

std::string_view without_leading_zeros(std::string_view digits) noexcept {
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? std::string_view{} : digits.substr(first);
}

std::string_view without_trailing_zeros(std::string_view digits) noexcept {
  const std::size_t last = digits.find_last_not_of('0');
  return last == std::string_view::npos ? std::string_view{} : digits.substr(0, last + 1);
}

Parts take_apart(std::string_view text) noexcept {
  Parts p;
  if (text.front() == '-') {
    p.negative = true;
    text.remove_prefix(1);
  }
  std::int64_t exponent = 0;
  if (const std::size_t e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view digits = text.substr(e + 1);
    if (digits.front() == '+') {
      digits.remove_prefix(1);
    }
    exponent = parse_int<std::int64_t>(digits).value_or(0);
    text = text.substr(0, e);
  }
  const std::size_t dot = text.find('.');
  p.whole = without_leading_zeros(text.substr(0, dot));
  p.fraction =
      dot == std::string_view::npos ? std::string_view{} : without_trailing_zeros(text.substr(dot + 1));
  p.point = exponent + static_cast<std::int64_t>(p.whole.size());
  if (p.whole.empty()) {
    const std::string_view significant = without_leading_zeros(p.fraction);
    p.point -= static_cast<std::int64_t>(p.fraction.size() - significant.size());
    p.fraction = significant;
  }
  if (p.zero()) {
    p.negative = false;
    p.point = 0;
  }
  return p;
}

std::size_t scan_digits(std::string_view text, std::size_t at) noexcept {
  while (at < text.size() && is_digit(text[at])) {
    ++at;
  }
  return at;
}

}  // namespace

std::size_t scan_number(std::string_view text) noexcept {
  std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const std::size_t whole = at;
  at = scan_digits(text, at);
  if (at == whole || (text[whole] == '0' && at > whole + 1)) {
    return 0;
  }
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = at + 1;
    at = scan_digits(text, fraction);
    if (at == fraction) {
      return 0;
    }
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
      ++at;
    }
    const std::size_t exponent = at;
    at = scan_digits(text, at);
    if (at == exponent || at - exponent > kExponentDigits) {
      return 0;
    }
  }
  return at;
}

std::strong_ordering compare_numbers(std::string_view a, std::string_view b) noexcept {
  if (a.size() < 19 && b.size() < 19) {  // such integers fit in 64 bits
    const auto left = parse_int<std::int64_t>(a);
    const auto right = parse_int<std::int64_t>(b);
    if (left && right) {
      return *left <=> *right;
    }
  }
  const Parts x = take_apart(a);
  const Parts y = take_apart(b);
  if (x.negative != y.negative) {
    return x.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  const auto signed_result = [&](std::strong_ordering magnitude) {
    return x.negative ? 0 <=> magnitude : magnitude;
  };
  if (x.zero() || y.zero()) {
    return signed_result(!x.zero() <=> !y.zero());
  }
  if (x.point != y.point) {
    return signed_result(x.point <=> y.point);
  }
  for (std::size_t i = 0, n = std::max(x.digits(), y.digits()); i < n; ++i) {
    if (x.digit(i) != y.digit(i)) {
      return signed_result(x.digit(i) <=> y.digit(i));
    }
  }
  return std::strong_ordering::equal;
}

std::optional<std::int64_t> number_to_int(std::string_view text) noexcept {
  if (const auto plain = parse_int<std::int64_t>(text)) {
    return plain;
  }
  const Parts p = take_apart(text);
  if (p.zero()) {
    return 0;
  }
  constexpr std::int64_t kMostDigits = 19;
  if (p.point < 1 || p.point > kMostDigits) {
    return std::nullopt;
  }
  const auto length = static_cast<std::size_t>(p.point);
  for (std::size_t i = length; i < p.digits(); ++i) {
    if (p.digit(i) != '0') {
      return std::nullopt;
    }
  }
  char buffer[kMostDigits + 1];
  std::size_t at = 0;
  if (p.negative) {
    buffer[at++] = '-';
  }
  for (std::size_t i = 0; i < length; ++i) {
    buffer[at++] = p.digit(i);
  }
  return parse_int<std::int64_t>(std::string_view(buffer, at));
}

bool is_integral(std::string_view text) noexcept {
  const Parts p = take_apart(text);
  return p.zero() || p.exponent() >= 0;
}

std::optional<Divisor> Divisor::parse(std::string_view text) noexcept {
  const Parts p = take_apart(text);
  if (p.zero() || p.negative || p.significant() > kDigits) {
    return std::nullopt;
  }
  Divisor d;
  d.coefficient_ = 0;
  for (std::size_t i = 0; i < p.significant(); ++i) {
    d.coefficient_ = d.coefficient_ * 10 + static_cast<unsigned>(p.digit(i) - '0');
  }
  d.exponent_ = p.exponent();
  return d;
}

bool Divisor::divides(std::string_view text) const noexcept {
  const Parts p = take_apart(text);
  if (p.zero()) {
    return true;
  }
  // Neither number ends in a zero, so one with digits further right than ours is no multiple.
  const std::int64_t zeros = p.exponent() - exponent_;
  if (zeros < 0) {
    return false;
  }
  Uint128 rest = 0;  // below 10^34, so ten times it and a digit fit
  for (std::size_t i = 0, n = p.significant(); i < n; ++i) {
    rest = (rest * 10 + static_cast<unsigned>(p.digit(i) - '0')) % coefficient_;
  }
  // A coefficient below 2^113 has at most 112 factors of two or five: more zeros change nothing.
  constexpr std::int64_t kZerosThatMatter = 113;
  for (std::int64_t i = 0; i < std::min(zeros, kZerosThatMatter) && rest != 0; ++i) {
    rest = rest * 10 % coefficient_;
  }
  return rest == 0;
}

}  // namespace flotilla::json
