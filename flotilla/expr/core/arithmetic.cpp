#include "flotilla/expr/core/arithmetic.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "flotilla/expr/core/failure.hpp"
#include "flotilla/json/decimal.hpp"
#include "flotilla/json/number.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::expr {
namespace {

using json::Decimal;
using json::Kind;
using json::Value;

std::unexpected<EvalError> mismatch(const Value& a, const Value& b, std::string_view what) {
  return type_error(fmt::format("{} and {} cannot be {}", describe(a), describe(b), what));
}

std::unexpected<EvalError> overflow(const Value& a, char sign, const Value& b) {
  return number_error(
      fmt::format("{} {} {} is out of the range of numbers (64-bit integers, decimals of 34 digits)",
                  a.number_text(), sign, b.number_text()));
}

Value to_value(const Decimal& d) { return Value::number(d.to_text()); }

// A new key shifts part of the index of a large object: four bytes each, so many for the price of an element.
constexpr std::uint64_t kShiftedAtOnce = 128;

bool both(Kind kind, const Value& a, const Value& b) { return a.kind() == kind && b.kind() == kind; }

// OP on two numbers: integers where both fit, else decimals.
template <class IntegerOp, class DecimalOp>
Outcome calculate(const Value& a, char sign, const Value& b, IntegerOp integers, DecimalOp decimals) {
  const auto x = a.as_int();
  const auto y = b.as_int();
  if (x && y) {
    std::int64_t result = 0;
    if (integers(*x, *y, &result)) {
      return overflow(a, sign, b);
    }
    return Value(result);
  }
  const auto p = Decimal::parse(a.number_text());
  const auto q = Decimal::parse(b.number_text());
  const auto result = p && q ? decimals(*p, *q) : std::nullopt;
  if (!result) {
    return overflow(a, sign, b);
  }
  return to_value(*result);
}

Outcome add_numbers(const Value& a, const Value& b) {
  return calculate(
      a, '+', b,
      [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_add_overflow(x, y, r); },
      [](const Decimal& x, const Decimal& y) { return Decimal::add(x, y); });
}

Outcome subtract_numbers(const Value& a, const Value& b) {
  return calculate(
      a, '-', b,
      [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_sub_overflow(x, y, r); },
      [](const Decimal& x, const Decimal& y) { return Decimal::add(x, y.negated()); });
}

Outcome multiply_numbers(const Value& a, const Value& b) {
  return calculate(
      a, '*', b,
      [](std::int64_t x, std::int64_t y, std::int64_t* r) { return __builtin_mul_overflow(x, y, r); },
      [](const Decimal& x, const Decimal& y) { return Decimal::multiply(x, y); });
}

Outcome divide_numbers(const Value& a, const Value& b) {
  const auto p = Decimal::parse(a.number_text());
  const auto q = Decimal::parse(b.number_text());
  if (q && q->is_zero()) {
    return number_error(
        fmt::format("{} and {} cannot be divided because the divisor is zero", describe(a), describe(b)));
  }
  const auto result = p && q ? Decimal::divide(*p, *q) : std::nullopt;
  return result ? Outcome(to_value(*result)) : overflow(a, '/', b);
}

Outcome accepted(Value value) {
  if (!Meter::acceptable(value)) {
    return too_large();
  }
  return value;
}

Outcome concatenate(const Value& a, const Value& b, Meter& meter) {
  const std::string_view left = a.as_string();
  const std::string_view right = b.as_string();
  if (left.size() + right.size() > Meter::kMaxValueText) {
    return too_large();
  }
  if (!meter.walk_text(left.size() + right.size())) {
    return out_of_steps();
  }
  std::string joined;
  joined.reserve(left.size() + right.size());
  joined.append(left).append(right);
  return Value(joined);
}

Outcome append(Value a, const Value& b, Meter& meter) {
  if (!meter.copy(b.size() + (a.is_shared() ? a.size() : 0))) {
    return out_of_steps();
  }
  a.reserve(a.size() + b.size());
  for (const Value& item : b.items()) {
    a.push_back(item);
  }
  return accepted(std::move(a));
}

Outcome merge(Value a, const Value& b, Meter& meter) {
  const std::uint64_t shifted = b.size() * (a.size() / kShiftedAtOnce);
  if (!meter.copy(b.size() + shifted + (a.is_shared() ? a.size() : 0))) {
    return out_of_steps();
  }
  for (const json::Member& m : b.members()) {
    a.set_member(m.name, m.value);
  }
  return accepted(std::move(a));
}

// `a * b` of objects: members that are objects in both are merged likewise. Depth is at most 256.
Outcome merge_deep(Value a, const Value& b, Meter& meter) {
  if (!meter.copy(b.size() * (1 + a.size() / kShiftedAtOnce) + a.size())) {
    return out_of_steps();
  }
  for (const json::Member& m : b.members()) {
    const Value* old = a.find(m.key());
    if (old == nullptr || !both(Kind::object, *old, m.value)) {
      a.set_member(m.name, m.value);
      continue;
    }
    auto merged = merge_deep(*old, m.value, meter);
    if (!merged) {
      return merged;
    }
    a.set_member(m.name, std::move(*merged));
  }
  return accepted(std::move(a));
}

// The text n times: jq rounds the count down, but what is above zero gives it once at least.
Outcome repeat(const Value& text, const Value& count, Meter& meter) {
  const double n = count.as_double().value_or(0);
  if (n <= 0) {
    return Value();
  }
  const std::string_view part = text.as_string();
  if (n * static_cast<double>(part.size()) > static_cast<double>(Meter::kMaxValueText)) {
    return too_large();
  }
  const auto times = part.empty() ? std::size_t{1} : std::max<std::size_t>(1, static_cast<std::size_t>(n));
  if (!meter.walk_text(times * part.size())) {
    return out_of_steps();
  }
  std::string repeated;
  repeated.reserve(times * part.size());
  for (std::size_t i = 0; i < times; ++i) {
    repeated += part;
  }
  return Value(repeated);
}

Outcome without(const Value& a, const Value& b, Meter& meter) {
  const std::uint64_t pairs = std::uint64_t{a.size()} * b.size();
  const std::uint64_t bytes = a.size() * b.text_size() + b.size() * a.text_size();
  if (!meter.copy(pairs) || !meter.walk_text(bytes)) {
    return out_of_steps();
  }
  Value kept = Value::array();
  for (const Value& item : a.items()) {
    if (std::ranges::find(b.items(), item) == b.items().end()) {
      kept.push_back(item);
    }
  }
  return kept;
}

}  // namespace

Outcome add(Value a, const Value& b, Meter& meter) {
  if (b.is_null()) {
    return a;
  }
  if (a.is_null()) {
    return b;
  }
  if (a.kind() == b.kind()) {
    switch (a.kind()) {
      case Kind::number:
        return add_numbers(a, b);
      case Kind::string:
        return concatenate(a, b, meter);
      case Kind::array:
        return append(std::move(a), b, meter);
      case Kind::object:
        return merge(std::move(a), b, meter);
      default:
        break;
    }
  }
  return mismatch(a, b, "added");
}

Outcome subtract(const Value& a, const Value& b, Meter& meter) {
  if (both(Kind::number, a, b)) {
    return subtract_numbers(a, b);
  }
  return both(Kind::array, a, b) ? without(a, b, meter) : mismatch(a, b, "subtracted");
}

Outcome multiply(const Value& a, const Value& b, Meter& meter) {
  if (both(Kind::number, a, b)) {
    return multiply_numbers(a, b);
  }
  if (a.is_string() && b.is_number()) {
    return repeat(a, b, meter);
  }
  if (a.is_number() && b.is_string()) {
    return repeat(b, a, meter);
  }
  return both(Kind::object, a, b) ? merge_deep(a, b, meter) : mismatch(a, b, "multiplied");
}

Outcome divide(const Value& a, const Value& b, Meter& meter) {
  if (both(Kind::number, a, b)) {
    return divide_numbers(a, b);
  }
  return both(Kind::string, a, b) ? split(a.as_string(), b.as_string(), meter) : mismatch(a, b, "divided");
}

Outcome modulo(const Value& a, const Value& b) {
  if (!both(Kind::number, a, b)) {
    return mismatch(a, b, "divided");
  }
  const auto whole = [](const Value& v) -> std::optional<std::int64_t> {
    if (const auto integer = v.as_int()) {
      return integer;
    }
    const auto d = Decimal::parse(v.number_text());
    return d ? d->truncated().to_int() : std::nullopt;
  };
  const auto x = whole(a);
  const auto y = whole(b);
  if (!x || !y) {
    return overflow(a, '%', b);
  }
  if (*y == 0) {
    return number_error(fmt::format("{} and {} cannot be divided (remainder) because the divisor is zero",
                                    describe(a), describe(b)));
  }
  return Value(*y == -1 ? std::int64_t{0} : *x % *y);  // INT64_MIN % -1 traps
}

Outcome negate(const Value& a) {
  if (!a.is_number()) {
    return type_error(fmt::format("{} cannot be negated", describe(a)));
  }
  const std::string_view text = a.number_text();
  if (json::compare_numbers(text, "0") == 0) {
    return Value(0);
  }
  if (a.as_int() == INT64_MIN) {
    return overflow(Value(0), '-', a);
  }
  return Value::number(text.front() == '-' ? std::string(text.substr(1)) : fmt::format("-{}", text));
}

Outcome floor(const Value& a) {
  if (!a.is_number()) {
    return type_error(fmt::format("{} number required", describe(a)));
  }
  if (const auto integer = a.as_int()) {
    return Value(*integer);
  }
  const auto d = Decimal::parse(a.number_text());
  return d ? Outcome(to_value(d->floor())) : overflow(a, '+', Value(0));
}

Outcome split(std::string_view text, std::string_view separator, Meter& meter) {
  if (!meter.walk_text(text.size())) {
    return out_of_steps();
  }
  Value parts = Value::array();
  std::size_t start = 0;
  while (start < text.size() || (start == text.size() && start > 0 && !separator.empty())) {
    const std::size_t end = separator.empty() ? start + json::utf8_sequence(text, start)
                                              : std::min(text.find(separator, start), text.size());
    if (!meter.step()) {
      return out_of_steps();
    }
    parts.push_back(text.substr(start, end - start));
    if (end == text.size()) {
      break;
    }
    start = end + separator.size();
  }
  return accepted(std::move(parts));
}

}  // namespace flotilla::expr
