#include "flotilla/json/number.hpp"

#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::json {
namespace {

bool is_multiple(std::string_view number, std::string_view of) {
  const auto divisor = Divisor::parse(of);
  EXPECT_TRUE(divisor) << of;
  return divisor && divisor->divides(number);
}

TEST(JsonNumber, IntegralWhateverTheSpellingAndTheSize) {
  for (const char* text : {"0", "-0", "0.0", "0e-5", "1.0", "120", "1e400", "12.5e1", "-3.00", "100e-2",
                           "12345678910111213141516171819202122232425262728293031", "1e999999999"}) {
    EXPECT_TRUE(is_integral(text)) << text;
  }
  for (const char* text : {"0.5", "1.10", "1e-1", "120e-2", "1e-999999999", "9007199254740993.5"}) {
    EXPECT_FALSE(is_integral(text)) << text;
  }
}

TEST(JsonNumber, MultiplesAreExactOnDecimalsAsWritten) {
  struct Case {
    const char* number;
    const char* of;
    bool is;
  };
  const Case cases[] = {
      {"0.0075", "0.0001", true},
      {"0.00751", "0.0001", false},
      {"4.5", "1.5", true},
      {"35", "1.5", false},
      {"0", "7", true},
      {"-0.0", "7", true},
      {"1.10", "0.1", true},
      {"1.10", "0.01", true},
      {"1.1", "0.11", true},
      {"19.99", "0.01", true},
      {"19.995", "0.01", false},
      {"-1.10", "0.1", true},
      {"9007199254740993", "9007199254740993", true},
      {"9007199254740992", "9007199254740993", false},
      {"18014398509481986", "9007199254740993", true},
      {"9007199254740993", "2", false},
      {"9007199254740993", "1.0", true},
      {"1e999999999", "7", false},
      {"1e999999999", "0.5", true},
      {"7e999999999", "7e-999999999", true},
      {"1e-999999999", "1", false},
      {"1e112", "5192296858534827628530496329220096", true},  // 2^112, the highest power of two that fits
      {"1e111", "5192296858534827628530496329220096", false},
      {"1e999999999", "5192296858534827628530496329220096", true},
      {"1200", "1e2", true},
      {"1210", "1e2", false},
      {"12345678910111213141516171819202122232425262728293031", "1", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(is_multiple(c.number, c.of), c.is) << c.number << " of " << c.of;
  }
}

TEST(JsonNumber, ADivisorIsPositiveAndHasAtMost34Digits) {
  for (const char* text : {"0", "-0.0", "-1", "0e7"}) {
    EXPECT_FALSE(Divisor::parse(text)) << text;
  }
  EXPECT_TRUE(Divisor::parse(std::string(34, '9')));
  EXPECT_FALSE(Divisor::parse(std::string(35, '9')));
  EXPECT_TRUE(Divisor::parse("1" + std::string(500, '0') + ".000"));  // one digit that counts
}

// The same question asked of scaled integers, which the machine answers.
TEST(JsonNumber, RandomMultiplesAgreeWithIntegers) {
  constexpr std::uint64_t seed = 20261124;
  std::cout << "seed " << seed << '\n';
  Random random(seed);
  const auto decimal = [](std::uint64_t hundredths) {
    const std::string fraction = std::to_string(hundredths % 100);
    return std::to_string(hundredths / 100) + '.' + std::string(2 - fraction.size(), '0') + fraction;
  };
  int multiples = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t of = 1 + random.below(500);
    const std::uint64_t number = random.below(100'000);
    multiples += number % of == 0;
    ASSERT_EQ(is_multiple(decimal(number), decimal(of)), number % of == 0) << number << ' ' << of;
  }
  EXPECT_GT(multiples, 100);
}

}  // namespace
}  // namespace flotilla::json
