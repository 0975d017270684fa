#include "flotilla/net/cidr.hpp"

#include <gtest/gtest.h>

namespace flotilla::net {
namespace {

bool in(std::string_view network, std::string_view ip) {
  CidrSet set;
  EXPECT_TRUE(set.add(network).has_value()) << network;
  return set.contains(*SocketAddress::from_ip(ip, 80));
}

TEST(CidrSet, ContainsByPrefix) {
  EXPECT_TRUE(in("10.0.0.0/8", "10.255.1.2"));
  EXPECT_FALSE(in("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(in("10.0.0.0/9", "10.127.0.1"));
  EXPECT_FALSE(in("10.0.0.0/9", "10.128.0.1"));
  EXPECT_TRUE(in("0.0.0.0/0", "192.0.2.1"));
  EXPECT_TRUE(in("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(in("192.0.2.7", "192.0.2.8"));
  EXPECT_TRUE(in("fd00::/8", "fdab::1"));
  EXPECT_FALSE(in("fd00::/8", "10.0.0.1"));
}

TEST(CidrSet, RefusesWhatIsNoNetwork) {
  CidrSet set;
  EXPECT_FALSE(set.add("10.0.0.0/33").has_value());
  EXPECT_FALSE(set.add("example.com/8").has_value());
  EXPECT_FALSE(set.add("10.0.0.0/").has_value());
  EXPECT_TRUE(set.empty());
}

}  // namespace
}  // namespace flotilla::net
