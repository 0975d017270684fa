#include "registration.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "flotilla/http/client.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/event.hpp"

namespace shop {
namespace {

using flotilla::Result;
using flotilla::http::Request;
using flotilla::http::Response;
using flotilla::json::Value;
using flotilla::net::Loop;
using flotilla::net::Task;
using namespace std::chrono_literals;

constexpr auto kDeadline = 2s;
constexpr auto kRetry = 500ms;
constexpr auto kLook = 3s;

Task<Result<Response>> ask(Loop& loop, const Registration& registration, Request request) {
  co_return co_await flotilla::http::fetch(loop, registration.registry, registration.registry.to_string(),
                                           std::move(request),
                                           {.deadline = flotilla::saturating_add(loop.now(), kDeadline)});
}

Request registering(const Registration& registration) {
  const Value body = Value::object(
      {{"Name", registration.name},
       {"ID", registration.id},
       {"Address", registration.service.ip()},
       {"Port", registration.service.port()},
       {"Check", Value::object({{"HTTP", fmt::format("http://{}/health", registration.service.to_string())},
                                {"Interval", "1s"},
                                {"Timeout", "1s"},
                                {"Status", "passing"},
                                {"DeregisterCriticalServiceAfter", "1m"}})}});
  Request request{.method = "PUT", .target = "/v1/agent/service/register", .headers = {}, .body = {}};
  request.headers.add("Content-Type", "application/json");
  request.body = flotilla::json::write(body);
  return request;
}

}  // namespace

Task<> keep_registered(Loop& loop, Registration registration) {
  bool complained = false;
  for (;;) {
    const auto answer = co_await ask(loop, registration, registering(registration));
    if (!answer || answer->status != 200) {
      if (!complained) {
        fmt::print(stderr, "shop: {}: not registered yet: {}\n", registration.id,
                   answer ? answer->body : answer.error().message);
        complained = true;
      }
      co_await flotilla::net::sleep_for(loop, kRetry);
      continue;
    }
    complained = false;
    fmt::print(stderr, "shop: {} is registered\n", registration.id);
    for (bool known = true; known;) {
      co_await flotilla::net::sleep_for(loop, kLook);
      const auto found = co_await ask(
          loop, registration,
          {.target = fmt::format("/v1/agent/service/{}", registration.id), .headers = {}, .body = {}});
      known = !found || found->status != 404;
    }
  }
}

Task<> deregister(Loop& loop, Registration registration) {
  const auto answer = co_await ask(loop, registration,
                                   {.method = "PUT",
                                    .target = fmt::format("/v1/agent/service/deregister/{}", registration.id),
                                    .headers = {},
                                    .body = {}});
  if (!answer || answer->status != 200) {
    fmt::print(stderr, "shop: {} could not deregister\n", registration.id);
  }
}

}  // namespace shop
