// The operators' API of dead letters, on the admin port, below /api/v1/subscriptions/{name}/dead-letters.
//
//   GET  ?state=&key=&reason=&code=&after=&limit=   {items: [...], next}, oldest first; `state` is open by
//                                                   itself, `all` is any
//   GET  /{id}            one, with the event, how it failed, and its history
//   POST /{id}/edit       {data, who, why}   what the event says when it is sent again
//   POST /{id}/replay     {who, why}         sent again, in the order of its key
//   POST /{id}/drop       {who, why}
//   POST /replay, /drop   {who, why, key?, reason?, code?, after?, limit?}   of the open ones that fit, the
//                         oldest first: {done, passed, next}; again with `after: next` until that is null
//
// A verb is durable, with who and why, before its answer: the letter as it is then. Every verb is logged with
// the address it came from. The admin port's guard stands before it. Ownership: borrows all it is given.
// Threads: one loop's. Limits: those of dead_letters.hpp and who_why.hpp.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/events/dead_letters.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::events {

class DeadLetterApi {
 public:
  static constexpr std::string_view kSegment = "dead-letters";

  DeadLetterApi(DeadLetters& letters, SubscriptionRunner& runner) noexcept
      : letters_(letters), runner_(runner) {}

  // `path`: below /api/v1/subscriptions, so its first segments are the name and kSegment.
  [[nodiscard]] net::Task<http::Response> handle(http::ApiPath path, http::Request request,
                                                 net::SocketAddress peer);

 private:
  [[nodiscard]] net::Task<http::Response> list(std::string name, std::string query);
  [[nodiscard]] net::Task<http::Response> show(std::string name, std::string id);
  [[nodiscard]] net::Task<http::Response> take(std::string name, std::string id, LetterVerb verb,
                                               std::string body, net::SocketAddress peer);
  [[nodiscard]] net::Task<http::Response> take_all(std::string name, LetterVerb verb, std::string body,
                                                   net::SocketAddress peer);

  DeadLetters& letters_;
  SubscriptionRunner& runner_;
};

}  // namespace flotilla::events
