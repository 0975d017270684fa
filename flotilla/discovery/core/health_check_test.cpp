#include "flotilla/discovery/core/health_check.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace flotilla::discovery {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{Duration{1'000'000'000'000}};

CheckDefinition http_check() {
  CheckDefinition definition;
  definition.what = HttpProbe{.url = "http://127.0.0.1:80/up"};
  definition.interval = 10s;
  definition.timeout = 2s;
  return definition;
}

// Runs one due probe to `status` (0: no connection) and gives the verdict as one letter, '-' for none.
char probe(HealthCheck& check, std::uint16_t status, Instant& now, Random& random) {
  now = check.next_deadline();
  EXPECT_TRUE(check.probe_due(now));
  static_cast<void>(check.start_probe(1, now));
  ProbeResult result{.status = status};
  if (status == 0) {
    result.error = "connection refused";
  }
  const auto verdict = check.on_probe(result, now, random);
  return verdict ? to_string(verdict->status)[0] : '-';
}

// Results in (2xx, 429, 5xx as digits; x: refused), statuses out (passing, warning, critical; -: undecided).
TEST(HealthCheck, FollowsTheTableOfThresholds) {
  struct Row {
    std::uint32_t passing, warning, critical;
    const char* results;
    const char* verdicts;
  };
  for (const Row& row : {Row{0, 0, 0, "25x24", "pccpw"},    // no thresholds: every result counts
                         Row{3, 0, 0, "25222", "pc--p"},    // the first result counts at once
                         Row{0, 0, 3, "x2xxx2", "cp--cp"},  // so does a first failure
                         Row{0, 1, 3, "2xxx2", "pwwcp"},    // on the way down: warning
                         Row{0, 2, 4, "2xx2xxxx", "p-wp-wwc"}, Row{2, 0, 2, "2x2x2xx22", "p-----c-p"}}) {
    SCOPED_TRACE(row.results);
    CheckDefinition definition = http_check();
    definition.success_before_passing = row.passing;
    definition.failures_before_warning = row.warning;
    definition.failures_before_critical = row.critical;
    Random random(1);
    HealthCheck check(definition, kStart, random);
    Instant now = kStart;
    std::string verdicts;
    for (const char c : std::string_view(row.results)) {
      const std::uint16_t status = c == '2' ? 204 : c == '4' ? 429 : c == '5' ? 500 : 0;
      verdicts += probe(check, status, now, random);
    }
    EXPECT_EQ(verdicts, row.verdicts);
  }
}

TEST(HealthCheck, JudgesAnswersAsConsulDoes) {
  for (const auto& [status, verdict] :
       {std::pair{200, 'p'}, {299, 'p'}, {301, 'c'}, {404, 'c'}, {429, 'w'}, {503, 'c'}}) {
    Random random(1);
    HealthCheck check(http_check(), kStart, random);
    Instant now = kStart;
    EXPECT_EQ(probe(check, static_cast<std::uint16_t>(status), now, random), verdict) << status;
  }
}

TEST(HealthCheck, ProbesAtOnceThenSoonThenEveryInterval) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(seed);
    HealthCheck check(http_check(), kStart, random);
    EXPECT_LT(check.next_deadline(), kStart + 50ms);
    Instant now = kStart;
    for (const Duration wait : {250ms, 500ms, 1000ms, 2000ms, 4000ms, 8000ms}) {
      EXPECT_EQ(probe(check, 0, now, random), 'c');
      EXPECT_EQ(check.next_deadline(), now + wait)
          << "a service that has not started yet is asked soon again";
    }
    static_cast<void>(probe(check, 0, now, random));
    EXPECT_GE(check.next_deadline(), now + 10s - Duration(10s) / 16);
    EXPECT_LE(check.next_deadline(), now + 10s);
    static_cast<void>(probe(check, 200, now, random));
    static_cast<void>(probe(check, 0, now, random));
    EXPECT_GE(check.next_deadline(), now + 10s - Duration(10s) / 16)
        << "once it was up, failures keep the interval";
  }
}

TEST(HealthCheck, NamesTheDeadlineOfARunningProbe) {
  Random random(1);
  HealthCheck check(http_check(), kStart, random);
  const Instant now = check.next_deadline();
  const StartProbe start = check.start_probe(7, now);
  EXPECT_EQ(start.deadline, now + 2s);
  EXPECT_EQ(check.next_deadline(), now + 2s);
  EXPECT_FALSE(check.probe_due(now + 1h)) << "no two probes overlap";
  EXPECT_TRUE(check.running(7));
  EXPECT_FALSE(check.running(6));
}

TEST(HealthCheck, LapsesWhenNobodyReports) {
  Random random(1);
  CheckDefinition definition;
  definition.what = TtlReport{100ms};
  HealthCheck check(definition, kStart, random);
  EXPECT_EQ(check.next_deadline(), kStart + 100ms);
  EXPECT_FALSE(check.lapse("", kStart + 99ms).has_value());
  EXPECT_EQ(check.on_report(Status::passing, "fine", kStart + 50ms).output, "fine");
  EXPECT_FALSE(check.lapse("fine", kStart + 149ms).has_value());
  const auto lapsed = check.lapse("fine", kStart + 150ms);
  ASSERT_TRUE(lapsed.has_value());
  EXPECT_EQ(lapsed->status, Status::critical);
  EXPECT_EQ(lapsed->output, "TTL expired (the last report was): fine");
  EXPECT_EQ(check.next_deadline(), kNever);
  static_cast<void>(check.on_report(Status::warning, "", kStart + 1s));
  EXPECT_EQ(check.next_deadline(), kStart + 1100ms) << "a report rearms a lapsed check";
}

TEST(HealthCheck, RemovesAServiceThatStaysCritical) {
  Random random(1);
  CheckDefinition definition;
  definition.what = TtlReport{1h};
  definition.deregister_critical_after = 5s;
  HealthCheck check(definition, kStart, random);
  EXPECT_FALSE(check.removal_due(kStart + 1min)) << "a check that never reported does not count";
  static_cast<void>(check.on_report(Status::critical, "", kStart));
  static_cast<void>(check.on_report(Status::critical, "", kStart + 4s));
  EXPECT_TRUE(check.removal_due(kStart + 5s)) << "the first critical result starts the clock";
  EXPECT_EQ(check.next_deadline(), kStart + 5s);
  static_cast<void>(check.on_report(Status::warning, "", kStart + 4900ms));
  EXPECT_FALSE(check.removal_due(kStart + 1min));
}

TEST(HealthCheck, DescribesWhatItSaw) {
  Random random(1);
  HealthCheck check(http_check(), kStart, random);
  const Instant now = check.next_deadline();
  static_cast<void>(check.start_probe(1, now));
  EXPECT_EQ(check.on_probe({.status = 200, .reason = "OK", .body = "fine", .error = ""}, now, random)->output,
            "HTTP GET http://127.0.0.1:80/up: 200 OK Output: fine");
  CheckDefinition tcp;
  tcp.what = TcpProbe{"::1", 80};
  tcp.interval = 1s;
  HealthCheck second(tcp, kStart, random);
  static_cast<void>(second.start_probe(1, second.next_deadline()));
  EXPECT_EQ(second.on_probe({}, now, random)->output, "TCP connect [::1]:80: Success");
  EXPECT_EQ(keep_tail("abcdef", 2), "ef");
  EXPECT_EQ(keep_head("abcdef", 2), "ab... (the first 2 of 6 bytes)");
}

TEST(HealthCheck, ReadsHostAndPort) {
  EXPECT_EQ(*parse_host_port("[::1]:80"), (TcpProbe{"::1", 80}));
  EXPECT_EQ(*parse_host_port("shop:8080"), (TcpProbe{"shop", 8080}));
  for (const char* text : {"", "shop", "shop:", ":80", "shop:0", "shop:65536", "::1:80", "[]:80"}) {
    EXPECT_FALSE(parse_host_port(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace flotilla::discovery
