// Requests of the demo's tour, as blocking calls that tell how long they took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::app {

struct DemoAnswer {
  std::uint16_t status = 0;  // 0: no answer
  http::Response response;
  Duration took{0};
};

struct DemoRequest {
  std::uint16_t port = 8000;
  std::string method = "GET";
  std::string target = "/";
  std::string body = {};
};

[[nodiscard]] DemoAnswer ask(const DemoRequest& request);
// All at once; answers in the order of the requests.
[[nodiscard]] std::vector<DemoAnswer> ask_all(const std::vector<DemoRequest>& requests);

}  // namespace flotilla::app
