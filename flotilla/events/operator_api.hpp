// The operators' API of topics, on the admin port.
//
//   GET    /api/v1/topics            {items: [{name, events, position, retain, key, schema}], next: null}
//   GET    /api/v1/topics/{topic}    one of them, with `deletions`: [{at, who, why, events, state}], the
//                                    newest first
//   DELETE /api/v1/topics/{topic}    {who, why}: deletes what was published so far; {name, events, declared},
//                                    200 once all is gone, 202 while some of it is left
//
// `events` is how many were ever published, `position` a token behind all there are now. The admin port's
// guard stands before it. Ownership: borrows all it is given. Threads: one loop's. Limits: kMaxTopics of the
// file.
#pragma once

#include <string_view>

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/topic_removal.hpp"
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
      : topics_(topics), journal_(journal), removal_(journal) {}

  // Who deletes topics, for whoever lends it what it needs to know.
  [[nodiscard]] TopicRemoval& removal() noexcept { return removal_; }

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<Asked<json::Value>> describe(TopicPtr topic);
  [[nodiscard]] net::Task<http::Response> show(std::string name);
  [[nodiscard]] net::Task<http::Response> remove(std::string name, std::string body, net::SocketAddress peer);

  const TopicTable& topics_;
  journal::Journal& journal_;
  TopicRemoval removal_;
};

}  // namespace flotilla::events
