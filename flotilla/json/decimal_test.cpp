#include "flotilla/json/decimal.hpp"

#include <cmath>
#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/json/number.hpp"

namespace flotilla::json {
namespace {

std::string sum(const char* a, const char* b) {
  return Decimal::add(*Decimal::parse(a), *Decimal::parse(b)).value().to_text();
}
std::string product(const char* a, const char* b) {
  return Decimal::multiply(*Decimal::parse(a), *Decimal::parse(b)).value().to_text();
}
std::string quotient(const char* a, const char* b) {
  return Decimal::divide(*Decimal::parse(a), *Decimal::parse(b)).value().to_text();
}

TEST(Decimal, WritesTheShortestForm) {
  const char* forms[][2] = {
      {"1.10", "1.1"},
      {"-0", "0"},
      {"0.0e9", "0"},
      {"100", "100"},
      {"1e3", "1000"},
      {"1e33", "1000000000000000000000000000000000"},
      {"1e34", "1e+34"},
      {"0.000001", "0.000001"},
      {"0.0000001", "1e-7"},
      {"12.5e-9", "1.25e-8"},
      {"-1.50", "-1.5"},
      {"12345678901234567890123456789012345678", "1.234567890123456789012345678901235e+37"}};
  for (const auto& [text, shortest] : forms) {
    EXPECT_EQ(Decimal::parse(text)->to_text(), shortest);
  }
}

TEST(Decimal, AddsExactly) {
  EXPECT_EQ(sum("0.1", "0.2"), "0.3");
  EXPECT_EQ(sum("1e30", "1"), "1000000000000000000000000000001");
  EXPECT_EQ(sum("1.5", "-1.5"), "0");
  EXPECT_EQ(sum("1", "-1.25"), "-0.25");
  EXPECT_EQ(sum("99999999999999999999", "0.01"), "99999999999999999999.01");
}

TEST(Decimal, RoundsHalfToEvenAt34Digits) {
  EXPECT_EQ(sum("1000000000000000000000000000000000", "0.5"), "1000000000000000000000000000000000");
  EXPECT_EQ(sum("1000000000000000000000000000000001", "0.5"), "1000000000000000000000000000000002");
  EXPECT_EQ(sum("1000000000000000000000000000000000", "0.5000000000001"),
            "1000000000000000000000000000000001");
  EXPECT_EQ(sum("1e40", "-1e-40"), "1e+40");
  EXPECT_EQ(sum("9999999999999999999999999999999999", "0.9"), "1e+34");
  EXPECT_EQ(sum("1000000000000000000000000000000000", "-0.06"), "999999999999999999999999999999999.9");
  EXPECT_EQ(quotient("1", "3"), "0.3333333333333333333333333333333333");
  EXPECT_EQ(quotient("2", "3"), "0.6666666666666666666666666666666667");
  EXPECT_EQ(quotient("1", "8"), "0.125");
  EXPECT_EQ(quotient("6", "-3"), "-2");
  EXPECT_EQ(product("1.1", "1.1"), "1.21");
  EXPECT_EQ(product("9999999999999999999999999999999999", "9999999999999999999999999999999999"),
            "9.999999999999999999999999999999998e+67");
  EXPECT_EQ(product("0", "-5"), "0");
}

TEST(Decimal, FloorsAndTruncates) {
  EXPECT_EQ(Decimal::parse("-1.5")->floor().to_text(), "-2");
  EXPECT_EQ(Decimal::parse("-1.5")->truncated().to_text(), "-1");
  EXPECT_EQ(Decimal::parse("1e-50")->floor().to_text(), "0");
  EXPECT_EQ(Decimal::parse("-1e-50")->floor().to_text(), "-1");
  EXPECT_EQ(Decimal::parse("7.9")->floor().to_text(), "7");
  EXPECT_EQ(Decimal::parse("-9223372036854775808")->to_int(), INT64_MIN);
  EXPECT_EQ(Decimal::parse("9223372036854775808")->to_int(), std::nullopt);
  EXPECT_EQ(Decimal(INT64_MIN).to_text(), "-9223372036854775808");
}

TEST(Decimal, HasABoundedExponent) {
  EXPECT_TRUE(Decimal::parse("1e1000000"));
  EXPECT_FALSE(Decimal::parse("1e1000001"));
  EXPECT_FALSE(Decimal::parse("1e-999999999"));
  EXPECT_FALSE(Decimal::multiply(*Decimal::parse("1e1000000"), *Decimal::parse("10")));
}

// Against long double on values it holds exactly: 18-digit integers scaled by small powers of ten.
TEST(Decimal, AgreesWithIntegerArithmetic) {
  std::cout << "seed 1\n";
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto a = static_cast<std::int64_t>(random.below(2'000'000'000)) - 1'000'000'000;
    const auto b = static_cast<std::int64_t>(random.below(2'000'000'000)) - 1'000'000'000;
    EXPECT_EQ(Decimal::add(Decimal(a), Decimal(b))->to_int(), a + b);
    EXPECT_EQ(Decimal::multiply(Decimal(a), Decimal(b))->to_int(), a * b);
    if (b != 0) {
      EXPECT_EQ(Decimal::divide(Decimal(a * b), Decimal(b))->to_int(), a);
      const Decimal q = *Decimal::divide(Decimal(a), Decimal(b));
      EXPECT_EQ(q.truncated().to_int(), a / b) << a << " / " << b;
      // q * b is within one unit of the 34th digit of a.
      const Decimal error = *Decimal::add(*Decimal::multiply(q, Decimal(b)), Decimal(-a));
      EXPECT_TRUE(
          error.is_zero() ||
          compare_numbers(error.is_negative() ? error.negated().to_text() : error.to_text(), "1e-22") < 0);
    }
  }
}

}  // namespace
}  // namespace flotilla::json
