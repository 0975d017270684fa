#include "flotilla/app/demo_client.hpp"

#include "flotilla/http/client.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kPatience = std::chrono::seconds(10);

net::Task<> ask_into(net::Loop& loop, DemoRequest request, DemoAnswer& answer) {
  answer = co_await ask(loop, std::move(request));
}

}  // namespace

net::Task<DemoAnswer> ask(net::Loop& loop, DemoRequest request) {
  const Instant began = net::monotonic_now();
  http::Request message{.method = std::move(request.method),
                        .target = std::move(request.target),
                        .headers = std::move(request.headers),
                        .body = std::move(request.body)};
  if (!message.body.empty()) {
    message.headers.add("Content-Type", "application/json");
  }
  if (!request.idempotency_key.empty()) {
    message.headers.add("Idempotency-Key", request.idempotency_key);
  }
  const auto address = net::SocketAddress::from_ip("127.0.0.1", request.port);
  auto response = co_await http::fetch(loop, *address, address->to_string(), std::move(message),
                                       {.deadline = loop.now() + kPatience});
  DemoAnswer answer{.took = net::monotonic_now() - began};
  if (response) {
    answer.status = response->status;
    answer.response = std::move(*response);
  }
  co_return answer;
}

net::Task<std::vector<DemoAnswer>> ask_all(net::Loop& loop, std::vector<DemoRequest> requests) {
  std::vector<DemoAnswer> answers(requests.size());
  net::Scope scope;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    scope.spawn(ask_into(loop, std::move(requests[i]), answers[i]));
  }
  co_await scope.join();
  co_return answers;
}

}  // namespace flotilla::app
