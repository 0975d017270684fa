#include "flotilla/cqrs/core/redis_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RedisAddress, IsTakenApart) {
  EXPECT_EQ(parse_redis_address("redis://localhost")->name(), "redis://localhost:6379/0");
  EXPECT_EQ(parse_redis_address("redis://10.0.0.1:7000/3")->name(), "redis://10.0.0.1:7000/3");
  EXPECT_EQ(parse_redis_address("redis://[::1]:7000/")->name(), "redis://[::1]:7000/0");
  EXPECT_EQ(parse_redis_address("redis://[::1]")->host, "::1");
  const auto secret = parse_redis_address("redis://app:p%40ss:w/rd@host/2");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->user, "app");
  EXPECT_EQ(secret->password, "p@ss:w/rd");
  EXPECT_EQ(secret->database, 2);
  EXPECT_EQ(secret->name(), "redis://host:6379/2");
  EXPECT_EQ(parse_redis_address("redis://:only@host")->password, "only");
  EXPECT_FALSE(secret->tls);
  const auto encrypted = parse_redis_address("rediss://:secret@[::1]");
  ASSERT_TRUE(encrypted);
  EXPECT_TRUE(encrypted->tls);
  EXPECT_EQ(encrypted->name(), "rediss://[::1]:6379/0");
}

TEST(RedisAddress, RefusesWhatItIsNot) {
  for (const char* const url :
       {"redis://", "redis://host:0", "redis://host:x", "redis://host:70000", "redis://host/x",
        "redis://[::1", "redis://[::1]x", "redis://:secret@", "redis://user@host", "redis://u:%zz@host",
        "http://host", "redis://:secret@host:port/secret", "rediss://:secret@host:port", "rediss://"}) {
    const auto address = parse_redis_address(url);
    ASSERT_FALSE(address) << url;
    EXPECT_EQ(address.error().code, Errc::invalid) << url;
    EXPECT_THAT(address.error().message, Not(HasSubstr("secret"))) << url;
  }
  EXPECT_TRUE(is_redis("rediss://x"));
  EXPECT_FALSE(is_redis("embedded"));
}

}  // namespace
}  // namespace flotilla::cqrs
