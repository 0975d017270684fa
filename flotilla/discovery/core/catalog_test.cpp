#include "flotilla/discovery/core/catalog.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::discovery {
namespace {

Node node() { return {.id = "6a1f0c1e", .name = "edge-7", .address = "127.0.0.1", .datacenter = "dc1"}; }

Service service(std::string id, std::string name) {
  Service made{.id = std::move(id), .name = std::move(name)};
  made.port = 80;
  return made;
}

Check check(std::string id, std::string service_id, Status status = Status::passing) {
  Check made{.id = std::move(id), .name = "probe"};
  made.service_id = std::move(service_id);
  made.status = status;
  return made;
}

const std::vector<Scope> kScopes{{Scope::Kind::nodes, ""},       {Scope::Kind::services, ""},
                                 {Scope::Kind::service, "cart"}, {Scope::Kind::service, "shop"},
                                 {Scope::Kind::service, "gone"}, {Scope::Kind::node, ""},
                                 {Scope::Kind::checks, ""}};

// Which scopes a write moved, as a word of letters: Nodes, Services, cart, shop, gone (a name without
// instances), noDe, checKs.
std::string moved(Catalog& catalog, const std::function<void(Catalog::Write&)>& change) {
  std::vector<std::uint64_t> before;
  for (const Scope& scope : kScopes) {
    before.push_back(catalog.index(scope));
  }
  const std::uint64_t counter = catalog.index();
  Catalog::Write write(catalog);
  change(write);
  std::string word;
  for (std::size_t i = 0; i < kScopes.size(); ++i) {
    const std::uint64_t now = catalog.index(kScopes[i]);
    EXPECT_GE(now, before[i]);
    if (now != before[i]) {
      EXPECT_EQ(now, catalog.index());
      word += "NScsgDK"[i];
    }
  }
  EXPECT_LE(catalog.index(), counter + 1) << "one write takes one index";
  return word;
}

// consul-api section 4, row by row: what each kind of write wakes.
TEST(Catalog, MovesTheIndexesOfConsulsTable) {
  Catalog catalog(node(), 8300, 100);
  ASSERT_EQ(catalog.index(), 100U);
  const auto ok = [](const Result<>& result) { ASSERT_TRUE(result.has_value()); };
  using Write = Catalog::Write;
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_service(service("c1", "cart"))); }), "NScD");
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_service(service("c1", "cart"))); }), "")
      << "the same again";
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_service(service("s1", "Shop"))); }), "NSsD");
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_check(check("k", "c1"))); }), "cK");
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_check(check("k", "c1"))); }), "");
  EXPECT_EQ(moved(catalog, [&](Write& w) { w.set_status("k", Status::passing, "other words"); }), "")
      << "an output alone wakes nobody";
  EXPECT_EQ(catalog.check("k")->output, "other words");
  EXPECT_EQ(moved(catalog, [&](Write& w) { w.set_status("k", Status::critical, "down"); }), "cK");
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_check(check("n", ""))); }), "csK") << "a node's check";
  EXPECT_EQ(moved(catalog, [&](Write& w) { w.set_status("n", Status::critical, ""); }), "csK");
  EXPECT_EQ(moved(catalog, [&](Write& w) { EXPECT_TRUE(w.erase_check("n")); }), "ScsK");
  EXPECT_EQ(moved(catalog, [&](Write& w) { EXPECT_FALSE(w.erase_check("n")); }), "");
  EXPECT_EQ(moved(catalog, [&](Write& w) { ok(w.put_service(service("s1", "cart"))); }), "NScsgD")
      << "a move changes both names; the old one, now empty, counts with all empty ones";
  EXPECT_EQ(moved(catalog, [&](Write& w) { EXPECT_TRUE(w.erase_service("c1")); }), "NScDK");
  EXPECT_EQ(moved(catalog, [&](Write& w) { EXPECT_FALSE(w.erase_service("c1")); }), "");
  EXPECT_EQ(catalog.check("k"), nullptr) << "a service takes its checks along";
}

TEST(Catalog, FindsNamesWithoutCaseAndListsInOrder) {
  Catalog catalog(node(), 8300, 1);
  {
    Catalog::Write write(catalog);
    for (const auto& [id, name] : {std::pair{"b", "web"}, {"A", "WEB"}, {"a", "api"}}) {
      ASSERT_TRUE(write.put_service(service(id, name)).has_value());
    }
  }
  std::string order;
  for (const Service* s : catalog.services()) {
    order += s->id + ":" + s->name + " ";
  }
  EXPECT_EQ(order, "a:api consul:consul A:WEB b:web ");
  EXPECT_EQ(catalog.services_named("Web").size(), 2U);
}

TEST(Catalog, RefusesWhatDoesNotFitAndCountsIt) {
  Catalog catalog(node(), 8300, 1);
  Catalog::Write write(catalog);
  for (std::size_t i = 1; i < limits::kServices; ++i) {
    ASSERT_TRUE(write.put_service(service(fmt::format("i{}", i), "many")).has_value());
  }
  EXPECT_EQ(catalog.service_count(), limits::kServices);
  const std::uint64_t index = catalog.index();
  EXPECT_EQ(write.put_service(service("one-more", "many")).error().code, Errc::limit);
  EXPECT_TRUE(write.put_service(service("i1", "many")).has_value()) << "replacing needs no room";
  for (std::size_t i = 0; i < limits::kChecksPerService; ++i) {
    ASSERT_TRUE(write.put_check(check(fmt::format("k{}", i), "i1")).has_value());
  }
  EXPECT_EQ(write.put_check(check("k-more", "i1")).error().code, Errc::limit);
  EXPECT_EQ(write.put_check(check("k", "nobody")).error().code, Errc::not_found);
  EXPECT_EQ(catalog.refused(), 2U);
  EXPECT_EQ(catalog.index(), index) << "a refusal takes no index";
}

// A slow catalog that is right by being simple: two maps, everything else computed by looking at all.
struct Naive {
  std::map<std::string, Service> services;
  std::map<std::string, Check> checks;

  [[nodiscard]] Status status_of(const std::string& id) const {
    Status worst = Status::passing;
    for (const auto& [key, c] : checks) {
      if (c.service_id.empty() || c.service_id == id) {
        worst = std::max(worst, c.status);
      }
    }
    return worst;
  }
};

void compare(const Catalog& catalog, const Naive& naive) {
  ASSERT_EQ(catalog.service_count(), naive.services.size() + 1);
  ASSERT_EQ(catalog.check_count(), naive.checks.size() + 1);
  std::map<std::string, std::size_t> names;
  for (const auto& [id, s] : naive.services) {
    ASSERT_NE(catalog.service(id), nullptr);
    EXPECT_TRUE(catalog.service(id)->same_as(s));
    EXPECT_EQ(catalog.status_of(id), naive.status_of(id));
    ++names[to_lower(s.name)];
  }
  for (const auto& [name, count] : names) {
    EXPECT_EQ(catalog.services_named(name).size(), count);
  }
  for (const auto& [id, c] : naive.checks) {
    ASSERT_NE(catalog.check(id), nullptr);
    EXPECT_EQ(catalog.check(id)->status, c.status);
    EXPECT_EQ(catalog.check(id)->service_id, c.service_id);
    if (!c.service_id.empty()) {
      EXPECT_EQ(catalog.check(id)->service_name, naive.services.at(c.service_id).name);
    }
  }
}

class CatalogModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CatalogModel, AgreesWithTheNaiveOne) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  Random random(GetParam());
  Catalog catalog(node(), 8300, 1);
  Naive naive;
  const auto any = [&](std::string_view prefix) { return fmt::format("{}{}", prefix, random.below(6)); };
  for (int step = 0; step < 2'000; ++step) {
    Catalog::Write write(catalog);
    const std::string id = any("s");
    const std::string check_id = any("c");
    switch (random.below(5)) {
      case 0: {
        const Service s = service(id, any(random.below(2) == 0 ? "name" : "NAME"));
        ASSERT_TRUE(write.put_service(s).has_value());
        naive.services[id] = s;
        break;
      }
      case 1:
        EXPECT_EQ(write.erase_service(id), naive.services.erase(id) > 0);
        std::erase_if(naive.checks, [&](const auto& entry) { return entry.second.service_id == id; });
        break;
      case 2: {
        const Check c = check(check_id, random.below(4) == 0 ? "" : id, static_cast<Status>(random.below(3)));
        const bool known = c.service_id.empty() || naive.services.contains(id);
        EXPECT_EQ(write.put_check(c).has_value(), known);
        if (known) {
          naive.checks[check_id] = c;
        }
        break;
      }
      case 3:
        EXPECT_EQ(write.erase_check(check_id), naive.checks.erase(check_id) > 0);
        break;
      default:
        if (naive.checks.contains(check_id)) {
          const auto status = static_cast<Status>(random.below(3));
          write.set_status(check_id, status, "x");
          naive.checks[check_id].status = status;
        }
    }
    if (step % 20 == 0) {
      compare(catalog, naive);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, CatalogModel, testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace flotilla::discovery
