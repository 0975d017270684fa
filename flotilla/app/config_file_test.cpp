#include "flotilla/app/config_file.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/app/runtime.hpp"

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

std::string path_of(std::string_view name) {
  return std::string(FLOTILLA_SOURCE_DIR "/") + std::string(name);
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

// No environment, and no file but schemas that take any object.
const config::Sources& few_files() {
  static const config::Sources sources{.environment = [](const std::string&) { return std::nullopt; },
                                       .file =
                                           [](const std::string& path) {
                                             return path.starts_with("schemas/")
                                                        ? std::optional<std::string>(R"({"type":"object"})")
                                                        : std::nullopt;
                                           }};
  return sources;
}

// What `flotilla check f` says about a file, a line per problem; nothing if it is valid.
std::string check(std::string_view yaml) {
  auto file = parse_config(yaml, "f", few_files());
  std::string all;
  if (!file) {
    for (const std::string& line : file.error()) {
      all += line + "\n";
    }
  } else if (const auto made = compile_runtime(std::move(*file), 1, Instant{}, 1, nullptr); !made) {
    all = made.error().message + "\n";
  }
  return all;
}

// The parts of the design that are to come are refused, each where it stands, and nothing else is.
TEST(ConfigFile, RefusesWhatTheDesignHasAndThisBuildHasNot) {
  EXPECT_EQ(check(content(path_of("flotilla/app/testdata/design.yaml"))),
            content(path_of("flotilla/app/testdata/design_refused.txt")));
}

TEST(ConfigFile, ReadsTheNamesOfControlPorts) {
  const auto file = parse_config(
      "admin: { hosts: [ops.example.com] }\nregistry: { hosts: [flotilla, consul] }\n", "f", few_files());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->admin->hosts, std::vector<std::string>{"ops.example.com"});
  EXPECT_EQ(file->registry->hosts, (std::vector<std::string>{"flotilla", "consul"}));
  EXPECT_EQ(check("registry:\n  hosts:\n    - consul\n    - flotilla:8500\n"),
            "f:4:7: 'flotilla:8500' is no host name; write it without scheme, port and wildcard, such as "
            "flotilla or "
            "registry.example.com\n");
  EXPECT_TRUE(check("admin: { hosts: ['*'] }\n").contains("'*' is no host name"));
}

TEST(ConfigFile, ReadsWhereSagasAreKeptAndArchived) {
  const auto file =
      parse_config("stores: { journal: \"sqlite:data/s.db\", archive: ./old }\n", "etc/f", few_files());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->stores.journal, "etc/data/s.db");
  EXPECT_EQ(file->stores.archive, "etc/old");
  EXPECT_EQ(parse_config("stores: {}\n", "f", few_files())->stores.archive, "");
}

TEST(ConfigFile, ReadsTheRestOfTheDesign) {
  const std::string text = content(path_of("flotilla/app/testdata/design_today.yaml"));
  ASSERT_EQ(check(text), "");
  const auto file = parse_config(text, "f", few_files());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(file->admin->listen, "127.0.0.1:9900");
  EXPECT_EQ(file->registry->listen, "127.0.0.1:8500");
  EXPECT_EQ(file->workers, 2U);
  EXPECT_EQ(file->trusted_proxies, std::vector<std::string>{"10.0.0.0/8"});
  EXPECT_EQ(file->defaults.timeout, 5s);
  EXPECT_EQ(file->defaults.retry.attempts, 2U);
  EXPECT_DOUBLE_EQ(file->defaults.retry_budget.ratio, 0.2);

  std::vector<std::string> names;
  for (const call::ServiceConfig& service : file->services) {
    names.push_back(service.name.value());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"user-service", "monolith", "payment-service", "ops-service",
                                      "order-service", "notification-service", "recommendation-service",
                                      "shipping-service", "inventory-service"}));
  const call::ServiceConfig& payment = file->services.at(2);
  EXPECT_EQ(payment.timeout, 5s);  // from the defaults
  ASSERT_TRUE(payment.circuit_breaker && payment.bulkhead && payment.rate_limit && payment.outlier);
  EXPECT_EQ(payment.circuit_breaker->consecutive, 5U);
  EXPECT_EQ(payment.bulkhead->concurrent, 10U);
  EXPECT_EQ(payment.bulkhead->queue, 20U);
  EXPECT_EQ(payment.bulkhead->wait, 100ms);
  EXPECT_EQ(payment.rate_limit->count, 500U);
  EXPECT_EQ(payment.rate_limit->period, 1s);
  EXPECT_EQ(payment.outlier->eject, 30s);
  ASSERT_EQ(payment.fallbacks.size(), 1U);
  const auto& queue = std::get<call::QueueFallback>(payment.fallbacks[0]);
  EXPECT_EQ(queue.name, "pending-charges");
  EXPECT_EQ(queue.items, 10'000U);
  ASSERT_TRUE(queue.pending);
  EXPECT_EQ(queue.pending->status, 202);
  EXPECT_EQ(queue.pending->body, R"({"status":"pending","message":"Will charge later"})");
  ASSERT_EQ(file->services.at(1).urls.size(), 1U);
  EXPECT_EQ(file->services.at(1).urls[0].port, 9100);

  ASSERT_EQ(file->gateways.size(), 2U);
  const gateway::GatewayConfig& open = file->gateways[0];
  EXPECT_EQ(open.listen, "127.0.0.1:8000");
  EXPECT_EQ(open.limits.head.total, 32U * 1024);
  EXPECT_EQ(open.limits.body, 10U * 1024 * 1024);
  EXPECT_EQ(open.limits.body_timeout, 60s);
  ASSERT_EQ(open.routes.size(), 5U);
  EXPECT_EQ(std::get<gateway::SagaConfig>(open.routes[1].action).saga, "place-order");
  EXPECT_EQ(std::get<gateway::SagaConfig>(open.routes[1].action).wait, 5s);
  EXPECT_EQ(std::get<gateway::CommandConfig>(open.routes[2].action).command, "create-order");
  EXPECT_EQ(open.routes[4].match.hosts, std::vector<std::string>{"ops.example.com"});
  EXPECT_EQ(std::get<gateway::ProxyConfig>(open.routes[4].action).strip_prefix, "/admin");
  ASSERT_EQ(file->compositions.size(), 1U);
  ASSERT_EQ(file->compositions[0].branches.size(), 5U);
  EXPECT_FALSE(file->compositions[0].branches[0].optional);
  EXPECT_EQ(file->compositions[0].branches[1].timeout, 300ms);
  EXPECT_EQ(file->compositions[0].branches[4].after, std::vector<std::string>{"user"});
  ASSERT_EQ(file->sagas.size(), 1U);
  EXPECT_EQ(file->sagas[0]->name, "place-order");
  EXPECT_EQ(file->sagas[0]->steps.size(), 4U);
  ASSERT_EQ(file->aggregates.size(), 1U);
  EXPECT_EQ(file->aggregates[0]->commands.at(0)->name, "create-order");
  EXPECT_EQ(file->warnings, std::vector<std::string>{});
}

struct BadFile {
  std::string yaml;
  std::string says;
};

// bad_files.txt: a file, a line `----`, what is said about it, a line `====`.
std::vector<BadFile> bad_files() {
  std::istringstream in(content(path_of("flotilla/app/testdata/bad_files.txt")));
  std::vector<BadFile> all(1);
  bool says = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "----") {
      says = true;
    } else if (line == "====") {
      says = false;
      all.emplace_back();
    } else {
      (says ? all.back().says : all.back().yaml) += line + "\n";
    }
  }
  all.pop_back();
  return all;
}

TEST(ConfigFile, ReadsTheKeysOfAQueue) {
  const auto file = parse_config(
      "services:\n"
      "  pay:\n"
      "    fallback:\n"
      "      queue: { name: later, key: .order, items: 5, bytes: 1MiB, age: 2h, keep: 1d, drain: 30/m, "
      "concurrency: 2,\n"
      "               timeout: 3s, retry: { attempts: 4, backoff: 1s..9s }, idempotent: key, probe: false }\n"
      "  mail: { fallback: { service: pay, queue: mails } }\n",
      "f", few_files());
  ASSERT_TRUE(file.has_value()) << file.error().front();
  EXPECT_TRUE(has_queues(*file));
  const auto& queue = std::get<call::QueueFallback>(file->services.at(0).fallbacks.at(0));
  EXPECT_EQ(queue.name, "later");
  EXPECT_TRUE(queue.key.has_value());
  EXPECT_EQ(queue.items, 5U);
  EXPECT_EQ(queue.bytes, std::uint64_t{1} << 20);
  EXPECT_EQ(queue.age, 2h);
  EXPECT_EQ(queue.keep, 24h);
  EXPECT_DOUBLE_EQ(queue.drain, 0.5);
  EXPECT_EQ(queue.concurrency, 2U);
  EXPECT_EQ(queue.timeout, 3s);
  EXPECT_EQ(queue.retry.attempts, 4U);
  EXPECT_EQ(queue.retry.cap, 9s);
  EXPECT_TRUE(queue.deduplicates);
  EXPECT_FALSE(queue.probe);
  EXPECT_FALSE(queue.pending.has_value());
  EXPECT_EQ(file->services.at(1).fallbacks.size(), 2U);
}

TEST(ConfigFile, PointsAtEveryFault) {
  const std::vector<BadFile> files = bad_files();
  EXPECT_GE(files.size(), 25U);
  for (const BadFile& bad : files) {
    EXPECT_TRUE(bad.says.starts_with("f:")) << bad.yaml;
    EXPECT_EQ(check(bad.yaml), bad.says) << bad.yaml;
  }
}

// FLOTILLA_WRITE_DOCS=1 writes the page anew.
TEST(ConfigFile, HasItsReferenceInTheDocs) {
  const std::string path = path_of("docs/configuration.md");
  if (std::getenv("FLOTILLA_WRITE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << config_reference();
  }
  EXPECT_EQ(content(path), config_reference()) << "run this test with FLOTILLA_WRITE_DOCS=1";
}

}  // namespace
}  // namespace flotilla::app
