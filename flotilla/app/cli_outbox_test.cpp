// What `flotilla outbox` refuses before it begins, and that it hides passwords.
#include "flotilla/app/cli_outbox.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/app/cli_test_kit.hpp"

namespace flotilla::app {
namespace {

std::string hidden(std::string text) {
  std::string program = "flotilla";
  char* argv[] = {program.data(), text.data()};
  hide_passwords(2, argv);
  return text;
}

TEST(CliOutbox, HidesPasswords) {
  EXPECT_EQ(hidden("postgres://shop:s3cret@db:5432/shop"), "postgres://shop:******@db:5432/shop");
  EXPECT_EQ(hidden("--database=postgres://shop:a@b@db/shop"), "--database=postgres://shop:***@db/shop");
  EXPECT_EQ(hidden("postgres://db/shop?user=a&password=xyz&sslmode=require"),
            "postgres://db/shop?user=a&password=***&sslmode=require");
  for (const char* other : {"postgres://shop@db:5432/shop", "http://127.0.0.1:9901", "up", "", "a:b@c",
                            "postgres://db:5432/a@b"}) {
    EXPECT_EQ(hidden(other), other);
  }
}

TEST(CliOutbox, RefusesBeforeItBegins) {
  const std::string place = "postgres://shop:s3cret@127.0.0.1:1/shop";
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"outbox"},
                                                {"outbox", "--database", place, "--database-file", "x"},
                                                {"outbox", "--database", place, "--batch", "1001"}}) {
    EXPECT_EQ(run(wrong).code, 2);
  }
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--table", "a b"},
                                                {"--api", "ftp://x"},
                                                {"--poll", "0ms"},
                                                {"--status", "soon"},
                                                {"--token-file", "/nowhere"}}) {
    std::vector<std::string> arguments{"outbox", "--database", place};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(outcome.err.contains(wrong[0])) << outcome.err;
    EXPECT_FALSE(outcome.err.contains("s3cret")) << outcome.err;
  }
  EXPECT_EQ(run({"outbox", "--database-file", "/nowhere"}).code, 1);
  EXPECT_TRUE(run({"outbox", "--database", "mysql://shop:s3cret@x"}).err.contains("no PostgreSQL address"));
}

}  // namespace
}  // namespace flotilla::app
