#include "flotilla/events/event_metrics.hpp"

namespace flotilla::events {
namespace {

using telemetry::Family;

constexpr Family kPublished{"flotilla_events_published_total",
                            "Events that the application API made durable."};
constexpr Family kDuplicates{"flotilla_events_duplicates_total",
                             "Published events that were there already, by source and id."};
constexpr Family kRefused{"flotilla_events_publish_refused_total",
                          "Publications refused for what they are: schema, form, size."};
constexpr Family kFailed{"flotilla_events_publish_failed_total",
                         "Publications that the journal did not take."};
constexpr Family kRead{"flotilla_events_read_total", "Events given to readers."};
constexpr Family kReaders{"flotilla_events_readers", "Long polls and event streams that are open."};
constexpr Family kReadersRefused{"flotilla_events_readers_refused_total",
                                 "Long polls and event streams refused: too many were open."};

}  // namespace

TopicCounters& EventMetrics::of(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  const auto known = topics_.find(topic);
  return known == topics_.end() ? topics_[std::string(topic)] : known->second;
}

void EventMetrics::collect(telemetry::MetricsPage& page) const {
  page.gauge(kReaders, {}, static_cast<double>(waiting.read()));
  page.counter(kReadersRefused, {}, waiting_refused.read());
  const std::lock_guard lock(mutex_);
  for (const auto& [topic, counters] : topics_) {
    page.counter(kPublished, {{"topic", topic}}, counters.published.read());
    page.counter(kDuplicates, {{"topic", topic}}, counters.duplicates.read());
    page.counter(kRefused, {{"topic", topic}}, counters.refused.read());
    page.counter(kFailed, {{"topic", topic}}, counters.failed.read());
    page.counter(kRead, {{"topic", topic}}, counters.read.read());
  }
}

}  // namespace flotilla::events
