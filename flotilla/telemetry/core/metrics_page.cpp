#include "flotilla/telemetry/core/metrics_page.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/json/utf8.hpp"

namespace flotilla::telemetry {
namespace {

constexpr std::string_view kOther = "other";
// Octaves of base's histogram that get a line: the bound of octave o is 2^(o+1) us.
constexpr std::size_t kFirstOctave = 4;
constexpr std::size_t kLastOctave = 25;

bool is_name(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_'; });
}

void append_value(std::string& out, std::string_view value) {
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t length = json::utf8_sequence(value, at);
    switch (value[at]) {
      case '\\':
        out.append("\\\\");
        break;
      case '"':
        out.append("\\\"");
        break;
      case '\n':
        out.append("\\n");
        break;
      default:
        out.append(length == 0 ? std::string_view{"\xEF\xBF\xBD"} : value.substr(at, length));  // U+FFFD
    }
    at += std::max<std::size_t>(length, 1);
  }
}

// name="value",name="value"; the values of the first `others` labels are replaced.
std::string labels_text(std::span<const Label> labels, std::size_t others) {
  std::string out;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    FLOTILLA_ASSERT(is_name(labels[i].name));
    out.append(i == 0 ? "" : ",").append(labels[i].name).append("=\"");
    append_value(out, i < others ? kOther : labels[i].value);
    out.push_back('"');
  }
  return out;
}

// NaN, +Inf and -Inf as the format spells them; else the shortest decimal that reads back the same.
std::string number_text(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  return fmt::format("{}", value);
}

void append_line(std::string& out, std::string_view name, std::string_view suffix, std::string_view labels,
                 std::string_view value) {
  out.append(name).append(suffix);
  if (!labels.empty()) {
    out.append("{").append(labels).append("}");
  }
  out.append(" ").append(value).append("\n");
}

void append_head(std::string& out, std::string_view name, std::string_view help, std::string_view type) {
  out.append("# HELP ").append(name).append(" ");
  for (const char c : help) {
    out.append(c == '\\' ? "\\\\" : c == '\n' ? "\\n" : std::string_view(&c, 1));
  }
  out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void append_histogram(std::string& out, std::string_view name, std::string_view labels,
                      std::span<const std::uint64_t> buckets, std::uint64_t sum_us) {
  const std::string before = labels.empty() ? std::string() : fmt::format("{},", labels);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    total += buckets[i];
    const std::size_t octave = i / 2;
    if (i % 2 == 1 && octave >= kFirstOctave && octave <= kLastOctave) {
      const double bound = std::ldexp(1e-6, static_cast<int>(octave) + 1);
      append_line(out, name, "_bucket", fmt::format("{}le=\"{}\"", before, number_text(bound)),
                  fmt::format("{}", total));
    }
  }
  append_line(out, name, "_bucket", fmt::format("{}le=\"+Inf\"", before), fmt::format("{}", total));
  append_line(out, name, "_sum", labels, number_text(static_cast<double>(sum_us) / 1e6));
  append_line(out, name, "_count", labels, fmt::format("{}", total));
}

}  // namespace

void MetricsPage::counter(const Family& family, Labels labels, std::uint64_t value) {
  FLOTILLA_ASSERT(family.name.ends_with("_total"));
  sample(family, Kind::counter, labels).count += value;
}

void MetricsPage::gauge(const Family& family, Labels labels, double value) {
  sample(family, Kind::gauge, labels).value += value;
}

void MetricsPage::histogram(const Family& family, Labels labels, const Histogram& values) {
  FLOTILLA_ASSERT(family.name.ends_with("_seconds"));
  Sample& into = sample(family, Kind::histogram, labels);
  for (std::size_t i = 0; i < into.buckets.size(); ++i) {
    into.buckets[i] += values.bucket(i);
  }
  into.sum_us += values.sum_us();
}

MetricsPage::Sample& MetricsPage::sample(const Family& family, Kind kind, Labels labels) {
  auto found = families_.find(family.name);
  if (found == families_.end()) {
    FLOTILLA_ASSERT(family.name.starts_with("flotilla_") && is_name(family.name));
    found = families_.emplace(family.name, Series{.kind = kind, .help = std::string(family.help)}).first;
  }
  Series& series = found->second;
  FLOTILLA_ASSERT(series.kind == kind);
  std::string text = labels_text(labels, 0);
  if (const auto known = series.samples.find(text); known != series.samples.end()) {
    return known->second;
  }
  // A series without labels is one by nature; only named ones can grow in number.
  if (labels.size() != 0 && series.samples.size() >= limit_) {
    ++series.folded;
    text = labels_text(labels, 1);
    if (!series.samples.contains(text) && series.samples.size() >= 2 * limit_) {
      text = labels_text(labels, labels.size());
    }
  }
  return series.samples[std::move(text)];
}

std::string MetricsPage::text() const {
  std::string out;
  constexpr std::string_view kFolded = "flotilla_metrics_series_folded";
  bool folded = false;
  for (const auto& [name, series] : families_) {
    append_head(out, name, series.help,
                series.kind == Kind::counter ? "counter"
                : series.kind == Kind::gauge ? "gauge"
                                             : "histogram");
    for (const auto& [labels, sample] : series.samples) {
      switch (series.kind) {
        case Kind::counter:
          append_line(out, name, "", labels, fmt::format("{}", sample.count));
          break;
        case Kind::gauge:
          append_line(out, name, "", labels, number_text(sample.value));
          break;
        case Kind::histogram:
          append_histogram(out, name, labels, sample.buckets, sample.sum_us);
          break;
      }
    }
    folded = folded || series.folded != 0;
  }
  if (folded) {
    append_head(out, kFolded, "Samples of this scrape counted under \"other\", because their family is full.",
                "gauge");
    for (const auto& [name, series] : families_) {
      if (series.folded != 0) {
        append_line(out, kFolded, "", fmt::format("family=\"{}\"", name), fmt::format("{}", series.folded));
      }
    }
  }
  return out;
}

}  // namespace flotilla::telemetry
