#include "flotilla/telemetry/core/metrics_page.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace flotilla::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr Family kCalls{"flotilla_calls_total", "Calls."};
constexpr Family kState{"flotilla_breaker_state", "State."};
constexpr Family kLatency{"flotilla_upstream_latency_seconds", "Latency."};

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(MetricsPage, GroupsSamplesByFamilyInAnyOrderOfAdding) {
  MetricsPage page;
  page.counter(kCalls, {{"service", "b"}}, 2);
  page.gauge(kState, {{"service", "a"}}, 0.5);
  page.counter(kCalls, {{"service", "a"}}, 1);
  EXPECT_EQ(page.text(),
            "# HELP flotilla_breaker_state State.\n"
            "# TYPE flotilla_breaker_state gauge\n"
            "flotilla_breaker_state{service=\"a\"} 0.5\n"
            "# HELP flotilla_calls_total Calls.\n"
            "# TYPE flotilla_calls_total counter\n"
            "flotilla_calls_total{service=\"a\"} 1\n"
            "flotilla_calls_total{service=\"b\"} 2\n");
}

TEST(MetricsPage, AddsUpSamplesOfOneSeries) {
  MetricsPage page;
  page.counter(kCalls, {{"service", "a"}, {"kind", "x"}}, 2);
  page.counter(kCalls, {{"service", "a"}, {"kind", "x"}}, 40);
  page.counter(kCalls, {}, 7);
  EXPECT_NE(page.text().find("flotilla_calls_total{service=\"a\",kind=\"x\"} 42\n"), std::string::npos);
  EXPECT_NE(page.text().find("flotilla_calls_total 7\n"), std::string::npos);
}

TEST(MetricsPage, EscapesWhatWouldEndALabelOrALine) {
  MetricsPage page;
  page.counter({"flotilla_calls_total", "back\\slash\nline"}, {{"service", "a\"b\\c\nd\xff\xc3\xa9"}}, 1);
  EXPECT_EQ(page.text(),
            "# HELP flotilla_calls_total back\\\\slash\\nline\n"
            "# TYPE flotilla_calls_total counter\n"
            "flotilla_calls_total{service=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\xc3\xa9\"} 1\n");
}

TEST(MetricsPage, SpellsNumbersThatAreNone) {
  MetricsPage page;
  page.gauge(kState, {{"s", "1"}}, std::numeric_limits<double>::quiet_NaN());
  page.gauge(kState, {{"s", "2"}}, std::numeric_limits<double>::infinity());
  page.gauge(kState, {{"s", "3"}}, -std::numeric_limits<double>::infinity());
  page.gauge(kState, {{"s", "4"}}, 3);
  EXPECT_TRUE(page.text().ends_with(
      "{s=\"1\"} NaN\nflotilla_breaker_state{s=\"2\"} +Inf\nflotilla_breaker_state{s=\"3\"} -Inf\n"
      "flotilla_breaker_state{s=\"4\"} 3\n"))
      << page.text();
}

TEST(MetricsPage, HistogramIsCumulativeInSecondsAndSumsShards) {
  Histogram first;
  Histogram second;
  first.record(10us);
  first.record(31us);
  second.record(33us);
  second.record(1500us);
  second.record(100s);
  MetricsPage page;
  page.histogram(kLatency, {{"service", "a"}}, first);
  page.histogram(kLatency, {{"service", "a"}}, second);
  const std::string text = page.text();
  const auto has = [&](std::string_view line) { return count(text, line) == 1; };
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"3.2e-05\"} 2\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"6.4e-05\"} 3\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"0.001024\"} 3\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"0.002048\"} 4\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"67.108864\"} 4\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_bucket{service=\"a\",le=\"+Inf\"} 5\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_sum{service=\"a\"} 100.001574\n")) << text;
  EXPECT_TRUE(has("flotilla_upstream_latency_seconds_count{service=\"a\"} 5\n")) << text;
  EXPECT_EQ(count(text, "_bucket"), 23U);
  EXPECT_TRUE(has("# TYPE flotilla_upstream_latency_seconds histogram\n"));
}

TEST(MetricsPage, HistogramWithoutLabelsHasOnlyTheBound) {
  MetricsPage page;
  page.histogram(kLatency, {}, Histogram{});
  EXPECT_NE(page.text().find("flotilla_upstream_latency_seconds_bucket{le=\"+Inf\"} 0\n"), std::string::npos);
  EXPECT_NE(page.text().find("flotilla_upstream_latency_seconds_sum 0\n"), std::string::npos);
}

TEST(MetricsPage, FullFamilyFoldsItsFirstLabelAndSaysSo) {
  MetricsPage page(2);
  page.counter(kCalls, {{"service", "a"}, {"kind", "x"}}, 1);
  page.counter(kCalls, {{"service", "b"}, {"kind", "x"}}, 1);
  page.counter(kCalls, {{"service", "c"}, {"kind", "x"}}, 10);
  page.counter(kCalls, {{"service", "d"}, {"kind", "x"}}, 10);
  page.counter(kCalls, {{"service", "d"}, {"kind", "y"}}, 5);
  page.counter(kCalls, {{"service", "a"}, {"kind", "x"}}, 1);  // a known series goes on
  EXPECT_EQ(page.text(),
            "# HELP flotilla_calls_total Calls.\n"
            "# TYPE flotilla_calls_total counter\n"
            "flotilla_calls_total{service=\"a\",kind=\"x\"} 2\n"
            "flotilla_calls_total{service=\"b\",kind=\"x\"} 1\n"
            "flotilla_calls_total{service=\"other\",kind=\"x\"} 20\n"
            "flotilla_calls_total{service=\"other\",kind=\"y\"} 5\n"
            "# HELP flotilla_metrics_series_folded Samples of this scrape counted under \"other\", because "
            "their family is full.\n"
            "# TYPE flotilla_metrics_series_folded gauge\n"
            "flotilla_metrics_series_folded{family=\"flotilla_calls_total\"} 3\n");
}

TEST(MetricsPage, SeriesAreBoundedWhateverTheLabels) {
  MetricsPage page(3);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i);
    page.counter(kCalls, {{"service", name}, {"kind", name}}, 1);
  }
  const std::string text = page.text();
  EXPECT_EQ(count(text, "flotilla_calls_total{"), 7U) << text;  // 3 named, 3 of "other", one of nothing
  EXPECT_NE(text.find("flotilla_calls_total{service=\"other\",kind=\"other\"} 994\n"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::telemetry
