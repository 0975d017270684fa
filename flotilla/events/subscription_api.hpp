// The APIs of subscriptions, for operators and for subscribers.
//
//   GET  /api/v1/subscriptions                   {items: [...], next: null}
//   GET  /api/v1/subscriptions/{name}            one of them
//   POST /api/v1/subscriptions/{name}/pause      {who?, why?}
//   POST /api/v1/subscriptions/{name}/resume     {who?, why?}
//   POST /api/v1/subscriptions/{name}/replay     {from, who?, why?}   a token: what comes after it goes again
//   POST /api/v1/subscriptions/{name}/release    {key, who?, why?}    of a key that is blocked or parked
//   POST /api/v1/subscriptions/{name}/forget     {who, why}           where one stood that the file had; 202
// each answered with the subscription once it is durable; below /dead-letters what dead_letter_api.hpp says;
// and on the application port
//   PUT    /v1/subscriptions/{name}              declares it, or anew: JSON as the file has it; 201 or 200
//   DELETE /v1/subscriptions/{name}              of one that was declared; 202, and it is forgotten soon
//   POST /v1/subscriptions/{name}/replay         {from}
//   POST /v1/subscriptions/{name}/ack/{token}    acknowledges what was answered 202; Event-Outcome: ok, retry
//                                                or reject; the body is what the answer would have been; 204
// No guard stands before them here: whoever opens the port does that.
// In a journal of several processes a PUT or DELETE goes on to the one that has the name's home shard.
// Ownership: borrows all it is given. Threads: one loop's. Limits: kMaxWords of each text.
#pragma once

#include <string_view>

#include "flotilla/events/dead_letter_api.hpp"
#include "flotilla/events/declared_subscriptions.hpp"
#include "flotilla/events/subscription_runner.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class SubscriptionApi {
 public:
  static constexpr std::string_view kOperatorPrefix = "/api/v1/subscriptions";
  static constexpr std::string_view kPrefix = "/v1/subscriptions";
  static constexpr std::size_t kMaxWords = 512;

  SubscriptionApi(SubscriptionRunner& runner, DeadLetters& letters, DeclaredSubscriptions& declared) noexcept
      : runner_(runner), letters_(letters, runner), declared_(declared) {}

  // Whether handle() answers that target.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // http::ApiHandlers, of the application port and of the admin port.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> handle_operator(http::Request request, net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> declare(std::string name, http::Request request,
                                                  net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> forget(std::string name, std::string body, net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> operate(std::string name, SubscriptionVerb verb, std::string body);

  SubscriptionRunner& runner_;
  DeadLetterApi letters_;
  DeclaredSubscriptions& declared_;
};

// As the APIs show it.
[[nodiscard]] json::Value to_json(const SubscriptionReport& report);

}  // namespace flotilla::events
