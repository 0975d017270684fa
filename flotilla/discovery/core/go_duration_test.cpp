#include "flotilla/discovery/core/go_duration.hpp"

#include <gtest/gtest.h>

namespace flotilla::discovery {
namespace {

TEST(GoDuration, ReadsAndPrints) {
  struct Row {
    const char* text;
    std::int64_t ns;
    const char* printed;
  };
  for (const Row& row :
       {Row{"0", 0, "0s"}, Row{"250ms", 250'000'000, "250ms"}, Row{"1.5s", 1'500'000'000, "1.5s"},
        Row{"90s", 90'000'000'000, "1m30s"}, Row{"1.5h", 5'400'000'000'000, "1h30m0s"},
        Row{"1h", 3'600'000'000'000, "1h0m0s"}, Row{"-10us", -10'000, "-10\u00b5s"},
        Row{"+1m30s", 90'000'000'000, "1m30s"}, Row{"7ns", 7, "7ns"}, Row{".5s", 500'000'000, "500ms"}}) {
    const auto parsed = parse_go_duration(row.text);
    ASSERT_TRUE(parsed.has_value()) << row.text;
    EXPECT_EQ(parsed->count(), row.ns) << row.text;
    EXPECT_EQ(print_go_duration(*parsed), row.printed);
  }
}

TEST(GoDuration, RefusesTheRest) {
  for (const char* text :
       {"", "10", "-", "s", "1x", "1s2", ".s", "1..2s", "1 s", "3000000h", "99999999999999999999s"}) {
    const auto parsed = parse_go_duration(text);
    EXPECT_FALSE(parsed.has_value()) << text;
  }
}

}  // namespace
}  // namespace flotilla::discovery
