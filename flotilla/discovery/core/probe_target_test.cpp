#include "flotilla/discovery/core/probe_target.hpp"

#include <gtest/gtest.h>

namespace flotilla::discovery {
namespace {

TEST(TargetGuard, JudgesHosts) {
  const TargetGuard guard({8500, 9900}, {"10.8.0.7", "fd00::7"});
  for (const auto& [host, port] : {std::pair{"127.0.0.1", 8080},
                                   {"localhost", 80},
                                   {"10.8.0.9", 8500},  // somebody else's port of that number
                                   {"10.8.0.7", 80},
                                   {"shop.example", 9900},
                                   {"169.253.0.1", 80},
                                   {"fec0::1", 80}}) {
    EXPECT_TRUE(guard.check_host(host, static_cast<std::uint16_t>(port)).has_value()) << host;
  }
  for (const auto& [host, port] : {std::pair{"169.254.169.254", 80},
                                   {"::ffff:169.254.169.254", 80},
                                   {"fe80::1", 80},
                                   {"febf::", 80},
                                   {"0.0.0.0", 80},
                                   {"::", 80},
                                   {"127.0.0.1", 8500},
                                   {"127.9.9.9", 9900},
                                   {"::1", 9900},
                                   {"::ffff:127.0.0.1", 9900},
                                   {"LocalHost", 9900},
                                   {"10.8.0.7", 9900},
                                   {"fd00:0:0:0::7", 9900}}) {
    EXPECT_FALSE(guard.check_host(host, static_cast<std::uint16_t>(port)).has_value()) << host << ':' << port;
  }
  EXPECT_EQ(guard.check_host("169.254.169.254", 80).error().message,
            "'169.254.169.254' is a link-local address and is not probed");
}

TEST(TargetGuard, JudgesServiceAddresses) {
  for (const char* host : {"", "10.0.0.1", "127.0.0.1", "shop.example", "1.2.3", "fd00::1"}) {
    EXPECT_TRUE(TargetGuard::check_address(host).has_value()) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "0:0:0:0:0:0:0:0", "169.254.1.1", "fe80::a"}) {
    EXPECT_FALSE(TargetGuard::check_address(host).has_value()) << host;
  }
}

TEST(IpLiteral, ReadsOnlyWhatIsAnAddress) {
  for (const char* text : {"1.2.3.4", "0.0.0.0", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8",
                           "fe80::A", "::ffff:1.2.3.4", "64:ff9b::1.2.3.4"}) {
    EXPECT_TRUE(parse_ip(text).has_value()) << text;
  }
  for (const char* text : {"",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.",
                           "1..3.4",
                           "a",
                           ":",
                           ":::",
                           "1:2",
                           "1::2::3",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7::8",
                           "12345::",
                           "::1%eth0",
                           "[::1]",
                           "1:2:3:4:5:6:7:",
                           ":1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3"}) {
    EXPECT_FALSE(parse_ip(text).has_value()) << text;
  }
  EXPECT_EQ(parse_ip("1:0:0:0:0:0:0:2"), parse_ip("1::2"));
  EXPECT_EQ(parse_ip("::ffff:7f00:1"), parse_ip("127.0.0.1"));
}

}  // namespace
}  // namespace flotilla::discovery
