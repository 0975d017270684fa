#include "flotilla/admin/core/control_guard.hpp"

#include <gtest/gtest.h>

namespace flotilla::admin {
namespace {

enum class Verdict : std::uint8_t { passes, forbidden, unauthenticated };

void expect(const ControlGuard& guard, Verdict verdict, const http::Request& request, std::string_view why) {
  const auto refusal = guard.check(request);
  const Verdict got = !refusal                               ? Verdict::passes
                      : refusal->reason == Reason::forbidden ? Verdict::forbidden
                                                             : Verdict::unauthenticated;
  EXPECT_EQ(static_cast<int>(got), static_cast<int>(verdict)) << why << (refusal ? refusal->detail : "");
}

TEST(ControlGuard, HostMustBeOneOfOurs) {
  struct Row {
    std::string_view listen;
    std::string_view host;
    Verdict verdict;
  };
  using enum Verdict;
  constexpr Row kRows[] = {
      {"127.0.0.1", "localhost", passes},
      {"127.0.0.1", "LOCALHOST:9900", passes},
      {"127.0.0.1", "console.localhost:9900", passes},
      {"127.0.0.1", "127.0.0.1:9900", passes},
      {"127.0.0.1", "127.9.9.9", passes},
      {"127.0.0.1", "[::1]:9900", passes},
      {"127.0.0.1", "localhost.:9900", passes},
      {"127.0.0.1", "", passes},  // HTTP/1.0
      {"127.0.0.1", "ops.example.com:9900", passes},
      {"127.0.0.1", "evil.example", forbidden},
      {"127.0.0.1", "notlocalhost", forbidden},
      {"127.0.0.1", "localhost.evil.example", forbidden},
      {"127.0.0.1", "127.0.0.1.evil.example", forbidden},
      {"127.0.0.1", "127.evil.example", forbidden},
      {"127.0.0.1", "127.1", forbidden},
      {"127.0.0.1", "127.0.0.01", forbidden},
      {"127.0.0.1", "127.0.0.256", forbidden},
      {"127.0.0.1", "ops.example.com.evil.example", forbidden},
      {"127.0.0.1", "10.0.0.5", forbidden},
      {"127.0.0.1", "[::2]", forbidden},
      {"127.0.0.1", "user@localhost", forbidden},
      {"127.0.0.1", "localhost:port", forbidden},
      {"10.0.0.5", "10.0.0.5:9900", passes},
      {"10.0.0.5", "10.0.0.6:9900", forbidden},
      {"fd00::5", "[fd00::5]:9900", passes},
      {"fd00::5", "[fd00::6]:9900", forbidden},
      {"0.0.0.0", "10.0.0.6", passes},
      {"::", "[fd00::6]", passes},
      {"0.0.0.0", "evil.example", forbidden},
  };
  for (const Row& row : kRows) {
    const ControlGuard guard({.listen_ip = std::string(row.listen), .hosts = {"Ops.example.com"}});
    expect(guard, row.verdict, {.headers = {{"Host", std::string(row.host)}}},
           std::string(row.host) + " on " + std::string(row.listen) + ": ");
  }
}

TEST(ControlGuard, PagesFromElsewhereAreRefused) {
  struct Row {
    std::string_view method;
    http::Fields fields;  // beside Host: localhost:9900
    Verdict verdict;
  };
  using enum Verdict;
  const Row rows[] = {
      {"POST", {}, passes},                                                       // curl
      {"POST", {{"Content-Type", "application/x-www-form-urlencoded"}}, passes},  // curl -d
      {"POST", {{"Origin", "http://localhost:9900"}}, passes},
      {"POST", {{"Origin", "http://LocalHost:9900"}, {"Content-Type", "application/json"}}, passes},
      {"POST", {{"Origin", "http://localhost:3000"}}, forbidden},  // another program on this machine
      {"POST", {{"Origin", "http://localhost"}}, forbidden},
      {"POST", {{"Origin", "http://127.0.0.1:9900"}}, forbidden},
      {"POST", {{"Origin", "https://evil.example"}}, forbidden},
      {"GET", {{"Origin", "https://evil.example"}}, forbidden},
      {"POST", {{"Origin", "null"}}, forbidden},
      {"POST", {{"Origin", ""}}, forbidden},
      {"POST", {{"Origin", "ftp://localhost:9900"}}, forbidden},
      {"POST", {{"Origin", "http://localhost:9900"}, {"Content-Type", "text/plain"}}, forbidden},
      {"PUT",
       {{"Origin", "http://localhost:9900"}, {"Content-Type", "Text/Plain; charset=utf-8"}},
       forbidden},
      {"POST",
       {{"Origin", "http://localhost:9900"}, {"Content-Type", "multipart/form-data; boundary=x"}},
       forbidden},
      {"DELETE",
       {{"Origin", "http://localhost:9900"}, {"Content-Type", "application/x-www-form-urlencoded"}},
       forbidden},
      {"GET", {{"Origin", "http://localhost:9900"}, {"Content-Type", "text/plain"}}, passes},
      {"GET", {{"Sec-Fetch-Site", "same-origin"}}, passes},
      {"GET", {{"Sec-Fetch-Site", "none"}}, passes},
      {"GET", {{"Sec-Fetch-Site", "cross-site"}}, forbidden},
      {"GET",
       {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Dest", "image"}},
       forbidden},
      {"GET",
       {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "iframe"}},
       forbidden},
      {"GET",
       {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
       passes},
      {"POST",
       {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
       forbidden},
  };
  const ControlGuard guard({});
  for (const Row& row : rows) {
    http::Request request{.method = std::string(row.method), .headers = row.fields};
    std::string why = request.method;
    for (const http::Field& field : row.fields) {
      why += " " + field.name + ": " + field.value;
    }
    request.headers.add("Host", "localhost:9900");
    expect(guard, row.verdict, request, why + ": ");
  }
}

TEST(ControlGuard, OriginOfAnotherSchemeHasAnotherUsualPort) {
  const ControlGuard guard({.hosts = {"ops.example.com"}});
  using enum Verdict;
  expect(guard, passes, {.headers = {{"Host", "ops.example.com"}, {"Origin", "https://ops.example.com"}}},
         "tls before us: ");
  expect(guard, passes, {.headers = {{"Host", "ops.example.com:443"}, {"Origin", "https://ops.example.com"}}},
         "443: ");
  expect(guard, forbidden,
         {.headers = {{"Host", "ops.example.com:443"}, {"Origin", "http://ops.example.com"}}},
         "80 is not 443: ");
}

TEST(ControlGuard, TokenIsAskedForWhereOneIsSet) {
  struct Row {
    std::string_view target;
    http::Fields fields;
    Verdict plain;   // of a port of ours
    Verdict consul;  // of one that also takes Consul's ways
  };
  using enum Verdict;
  const Row rows[] = {
      {"/", {}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Bearer s3cret"}}, passes, passes},
      {"/", {{"Authorization", "bearer  s3cret "}}, passes, passes},
      {"/", {{"Authorization", "Bearer s3cre"}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Bearer s3cretX"}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Bearer s3crets3cret"}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Bearer S3cret"}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Bearer "}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "Basic s3cret"}}, unauthenticated, unauthenticated},
      {"/", {{"Authorization", "s3cret"}}, unauthenticated, unauthenticated},
      {"/", {{"X-Flotilla-Token", "s3cret"}}, passes, passes},
      {"/", {{"X-Flotilla-Token", ""}}, unauthenticated, unauthenticated},
      {"/", {{"X-Consul-Token", "s3cret"}}, unauthenticated, passes},
      {"/", {{"X-Consul-Token", "wrong"}}, unauthenticated, unauthenticated},
      {"/?dc=a&token=s3cret", {}, unauthenticated, passes},
      {"/?token=s%33cret", {}, unauthenticated, passes},
      {"/?token=", {}, unauthenticated, unauthenticated},
      {"/token=s3cret", {}, unauthenticated, unauthenticated},
  };
  const ControlGuard plain({.token = "s3cret"});
  const ControlGuard consul({.token = "s3cret", .consul_token = true});
  for (const Row& row : rows) {
    http::Request request{.target = std::string(row.target), .headers = row.fields};
    request.headers.add("Host", "localhost");
    std::string why(row.target);
    for (const http::Field& field : row.fields) {
      why += " " + field.name + ": " + field.value;
    }
    expect(plain, row.plain, request, why + ": ");
    expect(consul, row.consul, request, why + " (consul): ");
    EXPECT_FALSE(plain.check_origin(request));
  }
}

TEST(ControlGuard, TokenDoesNotExcuseAForeignHost) {
  const ControlGuard guard({.token = "s3cret"});
  expect(guard, Verdict::forbidden,
         {.headers = {{"Host", "evil.example"}, {"Authorization", "Bearer s3cret"}}}, "");
}

TEST(ControlGuard, MessagesQuoteLittleAndNoToken) {
  const ControlGuard guard({.token = "s3cret"});
  const auto foreign = guard.check({.headers = {{"Host", std::string(5000, 'a')}}});
  ASSERT_TRUE(foreign);
  EXPECT_LT(foreign->detail.size(), 300U);
  const auto wrong = guard.check({.headers = {{"Host", "localhost"}, {"Authorization", "Bearer wrong"}}});
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->detail.find("s3cret"), std::string::npos);
  EXPECT_EQ(wrong->detail.find("wrong"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::admin
