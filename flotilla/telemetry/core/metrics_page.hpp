// One scrape: samples in any order, and the page of them in Prometheus' text format 0.0.4.
//
// For: /metrics. Whoever has numbers adds them; the page groups them by family, writes HELP and TYPE once
// each, and sorts families and series, so equal numbers give equal pages.
// Samples of one series are added up: shards of workers can be added one by one.
// Ownership: owns everything it was given. Threads: one owner.
// Limits: `series` per family. At the bound a new series is counted under its first label's value "other"
// (so name first what there is most of); at twice the bound under "other" for every label. How many were
// folded is the sample flotilla_metrics_series_folded{family} of the same page.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "flotilla/base/counter.hpp"

namespace flotilla::telemetry {

// A label's name matches [a-z_][a-z0-9_]* (asserted); its value may be any bytes: what is not UTF-8 is
// replaced, because Prometheus drops a whole page for it.
struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

// What is measured. The name begins with "flotilla_", matches [a-z0-9_]+ and ends in its unit, counters in
// _total (asserted); one name has one help and one kind for life.
struct Family {
  std::string_view name;
  std::string_view help;
};

class MetricsPage {
 public:
  static constexpr std::size_t kSeries = 1000;
  // The value of the Content-Type header of text().
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  explicit MetricsPage(std::size_t series = kSeries) : limit_(series) {}

  void counter(const Family& family, Labels labels, std::uint64_t value);
  void gauge(const Family& family, Labels labels, double value);
  // In seconds. The page has one bucket for two of base's histogram, from 32 us to 67 s: with a series per
  // service, finer ones would make the page and Prometheus' index large for little.
  void histogram(const Family& family, Labels labels, const Histogram& values);

  [[nodiscard]] std::string text() const;

 private:
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  struct Sample {
    std::uint64_t count = 0;
    double value = 0;
    std::uint64_t sum_us = 0;
    std::array<std::uint64_t, Histogram::kBuckets> buckets{};
  };
  struct Series {
    Kind kind = Kind::counter;
    std::string help;
    std::map<std::string, Sample, std::less<>> samples;  // by their labels as text
    std::uint64_t folded = 0;
  };

  Sample& sample(const Family& family, Kind kind, Labels labels);

  std::size_t limit_;
  std::map<std::string, Series, std::less<>> families_;
};

}  // namespace flotilla::telemetry
