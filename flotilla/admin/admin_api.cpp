#include "flotilla/admin/admin_api.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/admin/report_json.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::admin {
namespace {

http::Response problem(Reason reason, std::string_view detail) {
  http::Response response = http::problem_response({.reason = reason, .detail = detail});
  if (reason == Reason::unauthenticated) {
    response.headers.add("WWW-Authenticate", "Bearer");  // RFC 9110 15.5.2 asks for it
  }
  return response;
}

Reason reason_of(Errc code) {
  switch (code) {
    case Errc::not_found:
      return Reason::not_found;
    case Errc::conflict:
      return Reason::conflict;
    case Errc::limit:
      return Reason::overloaded;
    case Errc::timeout:
      return Reason::timeout;
    case Errc::unsupported:
      return Reason::unsupported;
    case Errc::denied:
      return Reason::forbidden;
    case Errc::unavailable:
    case Errc::io:
      return Reason::refused;
    case Errc::invalid:
      break;
  }
  return Reason::invalid;
}

http::Response failure(const Error& error) { return problem(reason_of(error.code), error.message); }

http::Response text(std::string_view content_type, std::string body) {
  return {.headers = {{"Content-Type", std::string(content_type)}}, .body = std::move(body)};
}

// `write` is given the writer of the body.
template <class Write>
http::Response json_answer(Write write) {
  std::string body;
  json::Writer writer(body);
  write(writer);
  // What operators look at is never the state of a minute ago.
  return {.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
          .body = std::move(body)};
}

// Matches `path` with `pattern`, where one '*' may stand for one segment; gives what stood for it.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return path == pattern ? std::optional(std::string_view()) : std::nullopt;
  }
  const std::string_view after = pattern.substr(star + 1);
  if (!path.starts_with(pattern.substr(0, star)) || path.size() <= star + after.size() ||
      !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view segment = path.substr(star, path.size() - star - after.size());
  return segment.contains('/') ? std::nullopt : std::optional(segment);
}

}  // namespace

struct AdminApi::Endpoint {
  std::string_view method;  // GET answers HEAD too
  std::string_view path;
  http::Response (AdminApi::*answer)(const Call&);
  bool open = false;  // needs no token

  [[nodiscard]] bool takes(std::string_view asked) const {
    return asked == method || (asked == "HEAD" && method == "GET");
  }
};

void AdminApi::mount(std::string prefix, http::ApiHandler handler) {
  mounted_.push_back({std::move(prefix), std::move(handler)});
}

const http::ApiHandler* AdminApi::mounted_at(std::string_view path) const {
  for (const Mounted& mounted : mounted_) {
    if (path.starts_with(mounted.prefix) &&
        (path.size() == mounted.prefix.size() || path[mounted.prefix.size()] == '/')) {
      return &mounted.handler;
    }
  }
  return nullptr;
}

net::Task<http::Response> AdminApi::handle(http::Request request, net::SocketAddress peer) {
  const std::string_view target = request.target;
  const http::ApiHandler* const other = mounted_at(target.substr(0, target.find('?')));
  if (other == nullptr) {
    co_return answer(request, peer);
  }
  if (const auto refusal = guard_.check(request)) {
    co_return refuse(*refusal);
  }
  co_return co_await (*other)(std::move(request), peer);
}

http::Response AdminApi::refuse(const ControlRefusal& refusal) {
  refused_.add();
  return problem(refusal.reason, refusal.detail);
}

http::Response AdminApi::answer(const http::Request& request, const net::SocketAddress& peer) {
  static constexpr std::array<Endpoint, 13> kEndpoints{{
      {"GET", "/healthz", &AdminApi::health, true},
      {"GET", "/readyz", &AdminApi::readiness, true},
      {"GET", "/metrics", &AdminApi::metrics},
      {"GET", "/api/v1/services", &AdminApi::services},
      {"GET", "/api/v1/routes", &AdminApi::routes},
      {"GET", "/api/v1/breakers", &AdminApi::breakers},
      {"GET", "/api/v1/breakers/*", &AdminApi::breaker},
      {"POST", "/api/v1/breakers/*/force-open", &AdminApi::force_open},
      {"POST", "/api/v1/breakers/*/close", &AdminApi::close},
      {"POST", "/api/v1/breakers/*/auto", &AdminApi::automatic},
      {"GET", "/api/v1/config", &AdminApi::config},
      {"POST", "/api/v1/config/reload", &AdminApi::reload},
      {"GET", "/api/v1/explain/*", &AdminApi::explain},
  }};
  const std::string_view target = request.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  const Endpoint* endpoint = nullptr;
  std::string_view argument;
  for (const Endpoint& candidate : kEndpoints) {
    if (const auto matched = match(candidate.path, path)) {
      endpoint = &candidate;
      argument = *matched;
      break;
    }
  }

  const bool open = endpoint != nullptr && endpoint->open;
  if (const auto refusal = open ? guard_.check_origin(request) : guard_.check(request)) {
    return refuse(*refusal);
  }
  if (endpoint == nullptr) {
    return problem(Reason::not_found, "the management API has no such path");
  }
  if (!endpoint->takes(request.method)) {
    http::Response response = problem(Reason::method_not_allowed, "");
    response.headers.add("Allow", endpoint->method == "GET" ? "GET, HEAD" : std::string(endpoint->method));
    return response;
  }
  auto decoded = http::percent_decode(argument);
  if (!decoded) {
    return problem(Reason::malformed, "the path has a % that is not followed by two hexadecimal digits");
  }
  const std::string_view query = mark == target.size() ? "" : target.substr(mark + 1);
  return (this->*endpoint->answer)({query, std::move(*decoded), peer});
}

http::Response AdminApi::health(const Call&) { return text("text/plain", "ok\n"); }

http::Response AdminApi::readiness(const Call&) {
  const Result<> ready = platform_.ready();
  return ready ? text("text/plain", "ready\n") : problem(Reason::draining, ready.error().message);
}

http::Response AdminApi::metrics(const Call&) {
  telemetry::MetricsPage page;
  platform_.metrics(page);
  page.counter({"flotilla_control_refused_total", "Requests that the admin port's guard refused."}, {},
               refused_.read());
  return text(telemetry::MetricsPage::kContentType, page.text());
}

http::Response AdminApi::services(const Call&) {
  return json_answer([&](json::Writer& out) { write_json_list(out, platform_.services()); });
}

http::Response AdminApi::routes(const Call& call) {
  const std::string gateway = http::query_value(call.query, "gateway").value_or("");
  const auto url = http::query_value(call.query, "url");
  if (!url) {
    const auto routes = platform_.routes(gateway);
    return routes ? json_answer([&](json::Writer& out) { write_json_list(out, *routes); })
                  : failure(routes.error());
  }
  const std::string method = http::query_value(call.query, "method").value_or("GET");
  const auto explanation = platform_.explain_route(gateway, method, *url);
  return explanation ? json_answer([&](json::Writer& out) { write_json(out, *explanation); })
                     : failure(explanation.error());
}

http::Response AdminApi::breakers(const Call&) {
  return json_answer([&](json::Writer& out) { write_json_list(out, platform_.breakers()); });
}

http::Response AdminApi::breaker(const Call& call) {
  for (const BreakerReport& report : platform_.breakers()) {
    if (report.service == call.argument) {
      return json_answer([&](json::Writer& out) { write_json(out, report); });
    }
  }
  return problem(Reason::not_found, fmt::format("no service \"{}\" with a circuit breaker", call.argument));
}

http::Response AdminApi::force_open(const Call& call) {
  return set_breaker(call, BreakerVerb::force_open, "force-open");
}
http::Response AdminApi::close(const Call& call) { return set_breaker(call, BreakerVerb::close, "close"); }
http::Response AdminApi::automatic(const Call& call) {
  return set_breaker(call, BreakerVerb::automatic, "auto");
}

http::Response AdminApi::set_breaker(const Call& call, BreakerVerb verb, std::string_view name) {
  if (const Result<> done = platform_.set_breaker(call.argument, verb); !done) {
    return failure(done.error());
  }
  // Only now: a name that the platform knows cannot forge lines of the log.
  log::info("admin: breaker of {}: {}, by {}", call.argument, name, call.peer.to_string());
  return breaker(call);
}

http::Response AdminApi::config(const Call&) {
  return json_answer(
      [&](json::Writer& out) { out.begin_object().key("file").value(platform_.config_file()).end(); });
}

http::Response AdminApi::reload(const Call& call) {
  const std::string file = platform_.config_file();
  if (const Result<> done = platform_.reload(); !done) {
    log::warning("admin: reload of {} by {} changed nothing: {}", file, call.peer.to_string(),
                 done.error().message);
    return failure(done.error());
  }
  log::info("admin: {} reloaded by {}", file, call.peer.to_string());
  return json_answer([&](json::Writer& out) {
    out.begin_object().key("file").value(file).key("reloaded").value(true).end();
  });
}

http::Response AdminApi::explain(const Call& call) {
  const auto report = platform_.explain(call.argument);
  return report ? json_answer([&](json::Writer& out) { write_json(out, *report); }) : failure(report.error());
}

}  // namespace flotilla::admin
