#include "flotilla/discovery/directory.hpp"

#include <gtest/gtest.h>

namespace flotilla::discovery {
namespace {

Instance instance(std::string id) { return {.id = std::move(id), .host = "127.0.0.1", .port = 80}; }

TEST(Directory, VersionGrowsOnlyWithChanges) {
  Directory directory;
  const ServiceName service("cart");
  EXPECT_EQ(directory.find(service), nullptr);
  const std::uint64_t before = directory.version();
  directory.publish(service, {instance("a")});
  const std::uint64_t published = directory.version();
  EXPECT_GT(published, before);
  directory.publish(service, {instance("a")});
  EXPECT_EQ(directory.version(), published);
  directory.publish(service, {});
  EXPECT_GT(directory.version(), published);
  ASSERT_NE(directory.find(service), nullptr);
  EXPECT_TRUE(directory.find(service)->empty());
  directory.forget(service);
  EXPECT_EQ(directory.find(service), nullptr);
}

TEST(Directory, AListThatWasHandedOutDoesNotChange) {
  Directory directory;
  directory.publish(ServiceName("cart"), {instance("a")});
  const auto before = directory.find(ServiceName("cart"));
  directory.publish(ServiceName("cart"), {instance("b")});
  EXPECT_EQ(before->front().id, "a");
  EXPECT_EQ(directory.find(ServiceName("cart"))->front().id, "b");
}

}  // namespace
}  // namespace flotilla::discovery
