// The API of queues for later, on the application port for services and on the admin port for operators.
//
//   GET    /v1/queues                       {items: [...], next: null}
//   GET    /v1/queues/{name}?state=dead&limit=100&after=TOKEN
//                                           {queue: {...}, items: [...], next: TOKEN|null}, the oldest first
//   GET    /v1/queues/{name}/{id}           one call with its history: the status URL of "pending"
//   POST   /v1/queues/{name}/{id}/retry     {who?, why?}   at once; a dead letter waits again
//   DELETE /v1/queues/{name}/{id}           it is not carried out
// and the same below /api/v1/queues. Of a kept request the values of Authorization, Cookie,
// Proxy-Authorization and Idempotency-Key are not shown.
// No guard stands before it here: whoever opens the port does that.
// Ownership: borrows the runner. Threads: one loop's. Limits: kMaxItems a page, kMaxWords of each text.
#pragma once

#include <string_view>

#include "flotilla/events/queue_runner.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class QueueApi {
 public:
  static constexpr std::string_view kPrefix = "/v1/queues";
  static constexpr std::string_view kOperatorPrefix = "/api/v1/queues";
  static constexpr std::size_t kMaxItems = 500;
  static constexpr std::size_t kMaxWords = 512;

  explicit QueueApi(QueueRunner& runner) noexcept : runner_(runner) {}

  // Whether handle() answers that target.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // http::ApiHandlers, of the application port and of the admin port.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> handle_operator(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> answer(http::Request request, std::string_view prefix);
  [[nodiscard]] net::Task<http::Response> list();
  [[nodiscard]] net::Task<http::Response> page(std::string name, std::string query);
  [[nodiscard]] net::Task<http::Response> show(std::string name, Ulid id);
  [[nodiscard]] net::Task<http::Response> operate(std::string name, Ulid id, QueueVerb verb,
                                                  std::string body);

  QueueRunner& runner_;
};

// As the API shows them.
[[nodiscard]] json::Value to_json(const QueueReport& report);
[[nodiscard]] json::Value to_json(const QueueItem& item);
// With its request, result and history. Errors: invalid (a damaged record).
[[nodiscard]] Result<json::Value> to_json(const QueueItemStory& story);

}  // namespace flotilla::events
