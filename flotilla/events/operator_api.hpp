// The operators' API of topics, on the admin port.
//
//   GET /api/v1/topics            {items: [{name, events, position, retain, key, schema}], next: null}
//   GET /api/v1/topics/{topic}    one of them
//
// `events` is how many were ever published, `position` a token behind all there are now. The admin port's
// guard stands before it. Ownership: borrows all it is given. Threads: one loop's. Limits: kMaxTopics of the
// file.
#pragma once

#include <string_view>

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/topic_table.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class OperatorApi {
 public:
  static constexpr std::string_view kPrefix = "/api/v1/topics";

  OperatorApi(const TopicTable& topics, journal::Journal& journal) noexcept
      : topics_(topics), journal_(journal) {}

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<Asked<json::Value>> describe(TopicPtr topic);

  const TopicTable& topics_;
  journal::Journal& journal_;
};

}  // namespace flotilla::events
