// What the steps of the demo's tour share: where the demo is, how an answer is shown.
//
// Ownership: borrows the demo. Threads: the loop's. Limits: kPatience.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/app/demo_client.hpp"
#include "flotilla/app/demo_ports.hpp"
#include "flotilla/app/demo_processes.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

// Until something that should happen soon counts as not happening.
inline constexpr Duration kDemoPatience = std::chrono::seconds(10);

struct Tour {
  net::Loop& loop;
  DemoProcesses& processes;
  DemoPorts ports;
  bool redis = false;  // the view has copies in one

  [[nodiscard]] DemoRequest lookup() const { return {.port = ports.gateway, .target = "/users/123"}; }
  [[nodiscard]] DemoRequest charge() const {
    return {.port = ports.gateway,
            .method = "POST",
            .target = "/charges",
            .body = R"({"order":"demo","amount":10,"user_id":"123"})"};
  }
};

// Prints how a step went, and what was seen; gives `ok`.
bool shown(bool ok, const std::string& step, const std::string& saw);
[[nodiscard]] std::string text(const DemoAnswer& answer);
[[nodiscard]] bool has(const DemoAnswer& answer, std::string_view part);
[[nodiscard]] std::size_t count_of(const DemoAnswer& answer, std::string_view part);

// Asks until `wanted(answer)`, or in vain until the patience is over; the last answer.
template <class Wanted>
[[nodiscard]] net::Task<DemoAnswer> ask_until(const Tour& tour, DemoRequest request, Wanted wanted) {
  const Instant limit = tour.loop.now() + kDemoPatience;
  for (;;) {
    DemoAnswer answer = co_await ask(tour.loop, request);
    if (wanted(answer) || tour.loop.now() > limit) {
      co_return answer;
    }
    co_await net::sleep_for(tour.loop, std::chrono::milliseconds(20));
  }
}

}  // namespace flotilla::app
