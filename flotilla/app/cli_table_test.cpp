#include "flotilla/app/cli_table.hpp"

#include <array>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kColumns{Column{"NAME", "name"}, Column{"AT", "instances", "address"},
                              Column{"UP", "up"}, Column{"CALLS", "calls"}};

std::string table(std::string_view items) {
  const auto value = json::parse(items);
  return value ? format_table(value->items(), kColumns) : value.error().message;
}

TEST(CliTable, AlignsColumnsWithoutTrailingBlanks) {
  EXPECT_EQ(table(R"([{"name":"payments","instances":[{"address":"10.0.0.1:80"},{"address":"10.0.0.2:80"}],
                       "up":true,"calls":1.50},
                      {"name":"web","instances":[],"up":false,"calls":9007199254740993}])"),
            "NAME      AT                        UP   CALLS\n"
            "payments  10.0.0.1:80, 10.0.0.2:80  yes  1.50\n"
            "web       -                         no   9007199254740993\n");
}

TEST(CliTable, OfNothingIsItsHeadings) { EXPECT_EQ(table("[]"), "NAME  AT  UP  CALLS\n"); }

TEST(CliTable, ShowsWhatIsMissingNullOrEmptyAsADash) {
  EXPECT_EQ(table(R"([{"name":"","up":null},7])"),
            "NAME  AT  UP  CALLS\n"
            "-     -   -   -\n"
            "-     -   -   -\n");
}

TEST(CliTable, CountsCodePoints) {
  EXPECT_EQ(table(R"([{"name":"zürich","up":true},{"name":"berlin","up":true}])"),
            "NAME    AT  UP   CALLS\n"
            "zürich  -   yes  -\n"
            "berlin  -   yes  -\n");
}

TEST(CliTable, LetsNoControlCharacterThrough) {
  EXPECT_EQ(format_cell("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  EXPECT_EQ(format_cell("a\xc2\x9b"
                        "2Jb"),
            "a?2Jb");
  EXPECT_EQ(format_cell("\xc2\xa9 \xc3\x9b"), "\xc2\xa9 \xc3\x9b");
  EXPECT_EQ(format_cell(json::Value::array({json::Value("x\ny"), json::Value(3)})), "x?y, 3");
}

}  // namespace
}  // namespace flotilla::app
