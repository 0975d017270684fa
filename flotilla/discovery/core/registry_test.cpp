#include "flotilla/discovery/core/registry.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flotilla::discovery {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{Duration{1'000'000'000'000}};

Registry make() {
  return Registry({.node = {.id = "n", .name = "edge-7", .address = "10.8.0.7", .datacenter = "dc1"},
                   .control_ports = {8500}});
}

CheckRegistration http(std::string id, std::string url = "http://127.0.0.1:80/up") {
  CheckRegistration made{.check = {.id = std::move(id)}, .definition = {}};
  made.definition.what = HttpProbe{.url = std::move(url)};
  made.definition.interval = 10s;
  return made;
}

Registration service(std::string id, std::vector<CheckRegistration> checks) {
  return {.service = {.id = id, .name = id}, .checks = std::move(checks)};
}

TEST(Registry, ProbesRegistersAndKeepsTheStatusOfAReplacedCheck) {
  Registry registry = make();
  ASSERT_TRUE(registry.register_service(service("cart", {http("k")}), kStart).has_value());
  EXPECT_EQ(registry.catalog().status_of("cart"), Status::critical);
  const auto probes = registry.advance(kStart + 50ms);
  ASSERT_EQ(probes.size(), 1U);
  registry.on_probe(probes[0].id, {.status = 200}, kStart + 60ms);
  EXPECT_EQ(registry.catalog().status_of("cart"), Status::passing);
  ASSERT_TRUE(registry.register_service(service("cart", {http("k")}), kStart + 1s).has_value());
  EXPECT_EQ(registry.catalog().status_of("cart"), Status::passing);
  EXPECT_LE(registry.next_deadline(), kStart + 1050ms) << "and probed again at once";
}

TEST(Registry, IgnoresTheResultOfAProbeThatNobodyWantsAnyMore) {
  Registry registry = make();
  ASSERT_TRUE(registry.register_service(service("cart", {http("k")}), kStart).has_value());
  const auto probes = registry.advance(kStart + 50ms);
  ASSERT_TRUE(registry.register_service(service("cart", {http("k")}), kStart + 51ms).has_value());
  registry.on_probe(probes[0].id, {.status = 200}, kStart + 60ms);
  EXPECT_EQ(registry.catalog().status_of("cart"), Status::critical);
  ASSERT_TRUE(registry.deregister_service("cart").has_value());
  EXPECT_EQ(registry.running_probes(), 0U);
  EXPECT_EQ(registry.next_deadline(), kNever);
}

TEST(Registry, CountsAProbeWithoutAnswerAsFailed) {
  Registry registry = make();
  CheckRegistration check = http("k");
  check.check.status = Status::passing;
  ASSERT_TRUE(registry.register_service(service("cart", {check}), kStart).has_value());
  ASSERT_EQ(registry.advance(kStart + 50ms).size(), 1U);
  EXPECT_EQ(registry.next_deadline(), kStart + 10'050ms);
  EXPECT_TRUE(registry.advance(kStart + 10'050ms).empty());
  EXPECT_EQ(registry.catalog().check("k")->output,
            "HTTP GET http://127.0.0.1:80/up: no answer within the timeout");
  EXPECT_EQ(registry.catalog().check("k")->status, Status::critical);
}

TEST(Registry, RemovesACriticalServiceWhole) {
  Registry registry = make();
  CheckRegistration check{.check = {.id = "ttl"}, .definition = {}};
  check.definition.what = TtlReport{1s};
  check.definition.deregister_critical_after = 2s;
  ASSERT_TRUE(registry.register_service(service("cart", {check, http("k")}), kStart).has_value());
  for (Instant now = kStart; now < kStart + 2999ms; now = std::max(now + 1ns, registry.next_deadline())) {
    static_cast<void>(registry.advance(now));
  }
  EXPECT_NE(registry.catalog().service("cart"), nullptr);
  static_cast<void>(registry.advance(kStart + 3s));
  EXPECT_EQ(registry.catalog().service("cart"), nullptr);
  EXPECT_EQ(registry.catalog().check_count(), 1U) << "only the platform's own is left";
  EXPECT_EQ(registry.next_deadline(), kNever);
}

TEST(Registry, RunsABoundedNumberOfProbesAtOnce) {
  Registry registry = make();
  constexpr std::size_t extra = 5;
  for (std::size_t i = 0; i < kMostProbes + extra; ++i) {
    ASSERT_TRUE(
        registry.register_service(service(fmt::format("s{}", i), {http(fmt::format("k{}", i))}), kStart));
  }
  const auto probes = registry.advance(kStart + 50ms);
  EXPECT_EQ(probes.size(), kMostProbes);
  EXPECT_GT(registry.next_deadline(), kStart + 50ms);
  registry.on_probe(probes[0].id, {.status = 200}, kStart + 60ms);
  ASSERT_TRUE(registry.deregister_check(probes[1].check_id).has_value());
  EXPECT_LE(registry.next_deadline(), kStart + 60ms) << "places became free";
  EXPECT_EQ(registry.advance(kStart + 60ms).size(), 2U);
}

TEST(Registry, RefusesAsAWhole) {
  Registry registry = make();
  const std::uint64_t index = registry.catalog().index();
  for (const char* url :
       {"http://169.254.169.254/", "http://127.0.0.1:8500/v1/agent/leave", "https://a/", "ftp://a/",
        "http://", "http://a:0/", "http://a/ HTTP/1.1", "http://[::1", "http://[::1]x/", "http://u@a/"}) {
    const auto refused = registry.register_service(service("cart", {http("good"), http("bad", url)}), kStart);
    ASSERT_FALSE(refused.has_value()) << url;
    EXPECT_TRUE(refused.error().message.starts_with("Invalid check: ")) << refused.error().message;
  }
  EXPECT_FALSE(registry.register_service(service("consul", {}), kStart).has_value());
  EXPECT_FALSE(registry.register_service(service("cart", {http("serfHealth")}), kStart).has_value());
  EXPECT_FALSE(registry.register_service(service("cart", {http("a"), http("a")}), kStart).has_value());
  std::vector<CheckRegistration> many;
  for (std::size_t i = 0; i <= limits::kChecksPerService; ++i) {
    many.push_back(http(fmt::format("k{}", i)));
  }
  EXPECT_EQ(registry.register_service(service("cart", many), kStart).error().code, Errc::limit);
  EXPECT_EQ(registry.catalog().index(), index);
  EXPECT_EQ(registry.catalog().refused(), 1U);
  EXPECT_EQ(registry.deregister_service("consul").error().code, Errc::not_found);
  EXPECT_EQ(registry.report("serfHealth", Status::critical, "", kStart).error().code, Errc::not_found);
}

TEST(Registry, PutsServicesAndTheNodeIntoMaintenance) {
  Registry registry = make();
  ASSERT_TRUE(registry.register_service(service("cart", {}), kStart).has_value());
  EXPECT_EQ(registry.catalog().status_of("cart"), Status::passing);
  for (const char* id : {"cart", ""}) {
    ASSERT_TRUE(registry.set_maintenance(id, true, "moving").has_value());
    const std::uint64_t index = registry.catalog().index();
    ASSERT_TRUE(registry.set_maintenance(id, true, "again").has_value());
    EXPECT_EQ(registry.catalog().index(), index);
    EXPECT_EQ(registry.catalog().status_of("cart"), Status::critical);
    ASSERT_TRUE(registry.set_maintenance(id, false, "").has_value());
    EXPECT_EQ(registry.catalog().status_of("cart"), Status::passing);
  }
  EXPECT_EQ(registry.set_maintenance("nobody", true, "").error().code, Errc::not_found);
}

}  // namespace
}  // namespace flotilla::discovery
