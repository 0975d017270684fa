// The application API of topics: what services call on port 9901 (DESIGN 4.4).
//
//   POST /v1/topics/{topic}     publish one CloudEvent or a batch; 202 once durable
//   GET  /v1/topics/{topic}?from=0|latest|TOKEN&limit=100&wait=30s
//        with `Accept: text/event-stream`: server-sent events, on from Last-Event-ID
//
// Correlation-Id and Causation-Id say to what a publication belongs whose events do not say it themselves.
// No guard stands before it here: whoever opens the port does that (admin/core/control_guard.hpp).
// Ownership: borrows all it is given. Threads: one loop's. Limits: those of cloud_event.hpp and
// topic_reader.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/random.hpp"
#include "flotilla/events/event_metrics.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/events/topic_reader.hpp"
#include "flotilla/events/topic_table.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class Api {
 public:
  static constexpr std::string_view kPrefix = "/v1/topics";

  // `seed`: of ids that events get here.
  Api(const TopicTable& topics, Publisher& publisher, TopicReader& reader, EventMetrics& metrics,
      std::uint64_t seed) noexcept
      : topics_(topics), publisher_(publisher), reader_(reader), metrics_(metrics), random_(seed) {}

  // Whether it answers that target.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);
  // An http::StreamHandler: answers a GET that takes server-sent events; false for anything else.
  [[nodiscard]] net::Task<bool> stream(const http::Request& request, http::Exchange& exchange);

 private:
  [[nodiscard]] Asked<TopicPtr> topic_of(std::string_view target) const;
  [[nodiscard]] net::Task<http::Response> publish(TopicPtr topic, http::Request request);
  [[nodiscard]] Asked<std::vector<CompleteEvent>> read_publication(const Topic& topic, http::Request request,
                                                                   WallTime now);
  [[nodiscard]] net::Task<http::Response> read(TopicPtr topic, std::string query);

  const TopicTable& topics_;
  Publisher& publisher_;
  TopicReader& reader_;
  EventMetrics& metrics_;
  Random random_;
};

}  // namespace flotilla::events
