// Requests of the demo, each on a connection of its own, with how long it took.
//
// Threads: the loop's. Limits: an answer is waited for for at most ten seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

struct DemoAnswer {
  std::uint16_t status = 0;  // 0: no answer
  http::Response response;
  Duration took{0};
};

struct DemoRequest {
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string target = "/";
  std::string body = {};
  std::string idempotency_key = {};  // empty: none
  http::Fields headers = {};         // further ones
};

[[nodiscard]] net::Task<DemoAnswer> ask(net::Loop& loop, DemoRequest request);
// All at once; answers in the order of the requests.
[[nodiscard]] net::Task<std::vector<DemoAnswer>> ask_all(net::Loop& loop, std::vector<DemoRequest> requests);

}  // namespace flotilla::app
