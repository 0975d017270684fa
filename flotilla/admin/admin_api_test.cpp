#include "flotilla/admin/admin_api.hpp"

#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/base/log.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::admin {
namespace {

using testing::HasSubstr;

// A platform of one gateway, two services and one breaker.
class FakePlatform final : public Platform {
 public:
  std::vector<ServiceReport> services() override {
    return {{"user-service", "registry", {{"u-1", "10.0.0.7:8080", 3}, {"u-2", "10.0.0.8:8080", 1}}},
            {"order-service", "static", {}}};
  }
  Result<std::vector<RouteReport>> routes(std::string_view gateway) override {
    if (!gateway.empty() && gateway != "public") {
      return fail(Errc::not_found, "no gateway \"" + std::string(gateway) + "\"");
    }
    return std::vector<RouteReport>{{"public", "GET /users/{id}", "proxy user-service", 7}};
  }
  Result<RouteExplanation> explain_route(std::string_view gateway, std::string_view method,
                                         std::string_view url) override {
    asked = std::string(gateway) + "|" + std::string(method) + "|" + std::string(url);
    if (url == "bad") {
      return fail(Errc::invalid, "bad is not a URL");
    }
    return RouteExplanation{"GET /users/{id}", {{"GET /users/{id}", true, "wins: the path is longer"}}};
  }
  std::vector<BreakerReport> breakers() override { return {breaker}; }
  Result<> set_breaker(std::string_view service, BreakerVerb verb) override {
    if (service != breaker.service) {
      return fail(Errc::not_found, "no breaker of \"" + std::string(service) + "\"");
    }
    breaker.mode = verb == BreakerVerb::force_open ? "forced-open" : "auto";
    verbs.push_back(verb);
    return {};
  }
  Result<ExplainReport> explain(std::string_view service) override {
    if (service != "user-service") {
      return fail(Errc::not_found, "no service \"" + std::string(service) + "\"");
    }
    return ExplainReport{"user-service", {{"retry", "3 attempts"}}, 3, std::chrono::milliseconds(2500)};
  }
  std::string config_file() override { return "shop.yaml"; }
  Result<> reload() override {
    ++reloads;
    return reload_result;
  }
  Result<> ready() override { return ready_result; }
  void metrics(telemetry::MetricsPage& page) override {
    page.counter({"flotilla_calls_total", "Calls."}, {{"service", "user-service"}}, 4);
  }

  BreakerReport breaker{"a/b", "open", "auto", 5, WallTime{1'000'000}, std::nullopt};
  std::vector<BreakerVerb> verbs;
  std::string asked;
  int reloads = 0;
  Result<> reload_result;
  Result<> ready_result;
};

std::string g_log;  // NOLINT: what the sink below was given

class AdminApiTest : public testing::Test {
 protected:
  AdminApiTest() {
    g_log.clear();
    log::set_sink([](log::Level, std::string_view line) { g_log.append(line).append("\n"); });
  }

  http::Response ask(std::string method, std::string target, http::Fields fields = {}) {
    return ask(api, std::move(method), std::move(target), std::move(fields));
  }
  static http::Response ask(AdminApi& api, std::string method, std::string target, http::Fields fields = {}) {
    if (!fields.contains("Host")) {
      fields.add("Host", "localhost:9900");
    }
    std::optional<http::Response> response;
    net::Scope scope;
    const auto run = [](AdminApi& asked, http::Request request,
                        std::optional<http::Response>& out) -> net::Task<> {
      out = co_await asked.handle(std::move(request), *net::SocketAddress::parse("10.9.8.7:1234"));
    };
    scope.spawn(run(api,
                    {.method = std::move(method), .target = std::move(target), .headers = std::move(fields)},
                    response));
    return response.value();
  }
  void expect_problem(const http::Response& response, Reason reason, std::string_view detail = "") {
    EXPECT_EQ(response.status, default_status(reason)) << response.body;
    EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
    EXPECT_EQ(response.headers.get("Flotilla-Error"), to_string(reason));
    EXPECT_THAT(response.body, HasSubstr(std::string(detail)));
  }

  FakePlatform platform;
  AdminApi api{platform, {}};
};

TEST_F(AdminApiTest, ListsAreItemsAndNext) {
  const http::Response services = ask("GET", "/api/v1/services");
  EXPECT_EQ(services.status, 200);
  EXPECT_EQ(services.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(
      services.body,
      R"({"items":[{"name":"user-service","source":"registry","instances":[)"
      R"({"id":"u-1","address":"10.0.0.7:8080","weight":3,"healthy":true},{"id":"u-2","address":"10.0.0.8:8080","weight":1,"healthy":true}]},)"
      R"({"name":"order-service","source":"static","instances":[]}],"next":null})");
  EXPECT_EQ(
      ask("GET", "/api/v1/routes?gateway=public").body,
      R"({"items":[{"gateway":"public","name":"GET /users/{id}","action":"proxy user-service","requests":7}],"next":null})");
  EXPECT_EQ(ask("GET", "/api/v1/breakers").body,
            R"({"items":[{"service":"a/b","state":"open","mode":"auto","failures":5,)"
            R"("opened_at":"1970-01-01T00:00:00.001Z","retry_at":null}],"next":null})");
  expect_problem(ask("GET", "/api/v1/routes?gateway=inner"), Reason::not_found, "no gateway");
}

TEST_F(AdminApiTest, ExplainsARouteByUrl) {
  const http::Response response =
      ask("GET", "/api/v1/routes?url=%2Fusers%2F7%3Fa%3Db&method=DELETE&gateway=public");
  EXPECT_EQ(platform.asked, "public|DELETE|/users/7?a=b");
  EXPECT_EQ(response.body,
            R"({"result":"GET /users/{id}","candidates":[)"
            R"({"route":"GET /users/{id}","matches":true,"why":"wins: the path is longer"}]})");
  (void)ask("GET", "/api/v1/routes?url=/");
  EXPECT_EQ(platform.asked, "|GET|/");
  expect_problem(ask("GET", "/api/v1/routes?url=bad"), Reason::invalid, "bad is not a URL");
}

TEST_F(AdminApiTest, BreakerVerbsAnswerTheBreakerAndAreLogged) {
  const http::Response opened = ask("POST", "/api/v1/breakers/a%2Fb/force-open");
  EXPECT_EQ(opened.status, 200);
  EXPECT_THAT(opened.body, HasSubstr(R"({"service":"a/b","state":"open","mode":"forced-open")"));
  EXPECT_EQ(ask("POST", "/api/v1/breakers/a%2Fb/close").status, 200);
  EXPECT_EQ(ask("POST", "/api/v1/breakers/a%2Fb/auto").status, 200);
  EXPECT_EQ(platform.verbs,
            (std::vector{BreakerVerb::force_open, BreakerVerb::close, BreakerVerb::automatic}));
  EXPECT_EQ(g_log,
            "admin: breaker of a/b: force-open, by 10.9.8.7:1234\n"
            "admin: breaker of a/b: close, by 10.9.8.7:1234\n"
            "admin: breaker of a/b: auto, by 10.9.8.7:1234\n");
  EXPECT_EQ(ask("GET", "/api/v1/breakers/a%2Fb").status, 200);
}

TEST_F(AdminApiTest, UnknownNamesAre404AndNotLogged) {
  expect_problem(ask("POST", "/api/v1/breakers/x%0Aforged/force-open"), Reason::not_found);
  expect_problem(ask("GET", "/api/v1/breakers/nobody"), Reason::not_found, "nobody");
  expect_problem(ask("GET", "/api/v1/explain/nobody"), Reason::not_found, "nobody");
  expect_problem(ask("GET", "/api/v1/breakers/"), Reason::not_found);
  expect_problem(ask("POST", "/api/v1/breakers/a%2Fb/explode"), Reason::not_found);
  expect_problem(ask("GET", "/api/v1/breakers/a/b"), Reason::not_found);
  expect_problem(ask("GET", "/api/v2/breakers"), Reason::not_found);
  expect_problem(ask("GET", "/api/v1/breakers/%zz"), Reason::malformed);
  EXPECT_TRUE(platform.verbs.empty());
  EXPECT_EQ(g_log, "");
}

TEST_F(AdminApiTest, KnownPathWithAnotherMethodIs405WithAllow) {
  const http::Response list = ask("POST", "/api/v1/services");
  expect_problem(list, Reason::method_not_allowed);
  EXPECT_EQ(list.headers.get("Allow"), "GET, HEAD");
  const http::Response verb = ask("GET", "/api/v1/breakers/a%2Fb/force-open");
  expect_problem(verb, Reason::method_not_allowed);
  EXPECT_EQ(verb.headers.get("Allow"), "POST");
  EXPECT_TRUE(platform.verbs.empty());
  EXPECT_EQ(ask("HEAD", "/api/v1/services").status, 200);
}

TEST_F(AdminApiTest, ReloadSaysWhatItDidAndWho) {
  EXPECT_EQ(ask("GET", "/api/v1/config").body, R"({"file":"shop.yaml"})");
  EXPECT_EQ(ask("POST", "/api/v1/config/reload").body, R"({"file":"shop.yaml","reloaded":true})");
  EXPECT_EQ(g_log, "admin: shop.yaml reloaded by 10.9.8.7:1234\n");
  platform.reload_result = fail(Errc::invalid, "shop.yaml:3:1: unknown key \"servces\"");
  expect_problem(ask("POST", "/api/v1/config/reload"), Reason::invalid, "shop.yaml:3:1");
  EXPECT_THAT(g_log, HasSubstr("reload of shop.yaml by 10.9.8.7:1234 changed nothing: shop.yaml:3:1"));
}

TEST_F(AdminApiTest, ExplainsAService) {
  EXPECT_EQ(
      ask("GET", "/api/v1/explain/user-service").body,
      R"({"service":"user-service","policies":[{"policy":"retry","setting":"3 attempts"}],"attempts":3,"time":"2500ms"})");
}

TEST_F(AdminApiTest, HealthReadinessAndMetrics) {
  EXPECT_EQ(ask("GET", "/healthz").body, "ok\n");
  EXPECT_EQ(ask("GET", "/readyz").body, "ready\n");
  platform.ready_result = fail(Errc::unavailable, "shutting down");
  expect_problem(ask("GET", "/readyz"), Reason::draining, "shutting down");
  (void)ask("GET", "/metrics", {{"Host", "evil.example"}});
  const http::Response metrics = ask("GET", "/metrics");
  EXPECT_EQ(metrics.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(metrics.body, HasSubstr("flotilla_calls_total{service=\"user-service\"} 4\n"));
  EXPECT_THAT(metrics.body, HasSubstr("flotilla_control_refused_total 1\n"));
}

TEST_F(AdminApiTest, TheGuardStandsBeforeEverything) {
  AdminApi guarded{platform, {.token = "s3cret"}};
  const http::Response missing = ask(guarded, "POST", "/api/v1/config/reload");
  expect_problem(missing, Reason::unauthenticated);
  EXPECT_EQ(missing.headers.get("WWW-Authenticate"), "Bearer");
  expect_problem(ask(guarded, "GET", "/metrics"), Reason::unauthenticated);
  expect_problem(ask(guarded, "GET", "/no/such/path"), Reason::unauthenticated);
  expect_problem(ask(guarded, "POST", "/api/v1/config/reload", {{"Host", "evil.example"}}), Reason::forbidden,
                 "evil.example");
  expect_problem(ask(guarded, "GET", "/healthz", {{"Host", "evil.example"}}), Reason::forbidden);
  EXPECT_EQ(platform.reloads, 0);
  // Probes carry no token.
  EXPECT_EQ(ask(guarded, "GET", "/healthz").status, 200);
  EXPECT_EQ(ask(guarded, "GET", "/readyz").status, 200);
  EXPECT_EQ(ask(guarded, "POST", "/api/v1/config/reload", {{"Authorization", "Bearer s3cret"}}).status, 200);
  EXPECT_EQ(platform.reloads, 1);
}

TEST_F(AdminApiTest, WhatIsMountedStandsBehindTheGuard) {
  AdminApi guarded(platform, {.token = "s3cret"});
  std::vector<std::string> seen;
  guarded.mount("/api/v1/sagas",
                [&](http::Request request, net::SocketAddress peer) -> net::Task<http::Response> {
                  seen.push_back(request.method + " " + request.target + " from " + peer.ip());
                  co_return http::Response{.status = 202, .headers = {}, .body = "mounted"};
                });
  const http::Field token{"Authorization", "Bearer s3cret"};
  EXPECT_EQ(ask(guarded, "POST", "/api/v1/sagas/x/resume?a=b", {token}).body, "mounted");
  EXPECT_EQ(ask(guarded, "GET", "/api/v1/sagas?a=/", {token}).status, 202);
  EXPECT_EQ(seen, (std::vector<std::string>{"POST /api/v1/sagas/x/resume?a=b from 10.9.8.7",
                                            "GET /api/v1/sagas?a=/ from 10.9.8.7"}));
  expect_problem(ask(guarded, "GET", "/api/v1/sagas"), Reason::unauthenticated);
  expect_problem(ask(guarded, "GET", "/api/v1/sagas", {token, {"Host", "evil.example"}}), Reason::forbidden);
  expect_problem(ask(guarded, "GET", "/api/v1/sagasx", {token}), Reason::not_found);
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_THAT(ask(guarded, "GET", "/metrics", {token}).body, HasSubstr("flotilla_control_refused_total 2\n"));
}

}  // namespace
}  // namespace flotilla::admin
