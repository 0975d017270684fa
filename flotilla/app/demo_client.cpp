#include "flotilla/app/demo_client.hpp"

#include "flotilla/http/client.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kPatience = std::chrono::seconds(40);

net::Task<> ask_one(net::Loop& loop, DemoRequest request, DemoAnswer& answer) {
  const Instant began = net::monotonic_now();
  http::Request message{
      .method = request.method, .target = request.target, .headers = {}, .body = request.body};
  if (!request.body.empty()) {
    message.headers.add("Content-Type", "application/json");
  }
  const auto address = net::SocketAddress::from_ip("127.0.0.1", request.port);
  auto response = co_await http::fetch(loop, *address, address->to_string(), std::move(message),
                                       {.deadline = loop.now() + kPatience});
  answer.took = net::monotonic_now() - began;
  if (response) {
    answer.status = response->status;
    answer.response = std::move(*response);
  }
}

net::Task<> ask_each(net::Loop& loop, const std::vector<DemoRequest>& requests,
                     std::vector<DemoAnswer>& answers) {
  net::Scope scope;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    scope.spawn(ask_one(loop, requests[i], answers[i]));
  }
  co_await scope.join();
  loop.stop();
}

}  // namespace

std::vector<DemoAnswer> ask_all(const std::vector<DemoRequest>& requests) {
  std::vector<DemoAnswer> answers(requests.size());
  const auto loop = net::Loop::create();
  if (!loop) {
    return answers;
  }
  net::Scope scope;
  (*loop)->post([&] { scope.spawn(ask_each(**loop, requests, answers)); });
  (*loop)->run();
  return answers;
}

DemoAnswer ask(const DemoRequest& request) { return ask_all({request}).front(); }

}  // namespace flotilla::app
