#include "flotilla/app/cli.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "flotilla/app/cli_test_kit.hpp"

namespace flotilla::app {
namespace {

net::Task<http::Response> echo(http::Request request, net::SocketAddress) {
  const std::string token(request.headers.get("Authorization").value_or("none"));
  co_return http::Response{.headers = {},
                           .body = R"({"items":[{"name":")" + request.method + " " + request.target +
                                   R"(","source":")" + token + R"("}],"result":"to )" + request.target +
                                   R"(","service":")" + request.method + " " + request.target + R"("})"};
}

net::Task<http::Response> refuse(http::Request, net::SocketAddress) {
  co_return http::Response{.status = 404,
                           .headers = {{"Content-Type", "application/problem+json"}},
                           .body = R"({"title":"Not found","detail":"no service \"x\""})"};
}

TEST(CommandLine, CallsTheCommandAndGivesItsCode) {
  struct {
    std::vector<std::string> arguments;
    int code;
    std::string out;
  } const cases[] = {
      {{"up"}, 0, "up flotilla.yaml\n"},
      {{"up", "a.yaml"}, 0, "up a.yaml\n"},
      {{"check", "b"}, 1, "check b\n"},
      {{"schema"}, 0, "{}\n"},
      {{"demo"}, 0, "demo 0 8000 9107\n"},
      {{"demo", "--tour"}, 0, "demo 1 8000 9107\n"},
      {{"demo", "--ports-from", "65523"}, 0, "demo 0 65523 65534\n"},
      {{"simulate", "f", "--saga", "s", "--seed", "7"}, 0, "simulate f s 7 1000 500\n"},
      {{"version"}, 0, "flotilla 1.2.3\n"},
  };
  for (const auto& c : cases) {
    const Outcome outcome = run(c.arguments);
    EXPECT_EQ(outcome.code, c.code) << c.out;
    EXPECT_EQ(outcome.out, c.out);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(CommandLine, RefusesWrongUsageWithTwo) {
  const std::vector<std::vector<std::string>> cases{
      {},
      {"fly"},
      {"check"},
      {"up", "a", "b"},
      {"demo", "--ports-from", "65524"},
      {"up", "--admin", "http://x"},
      {"services", "show"},
      {"services", "-o", "xml"},
      {"routes", "--explain", "GET"},
      {"breakers", "show"},
      {"breakers", "list", "s"},
      {"breakers", "smash", "s"},
      {"topics", "show"},
      {"topics", "list", "orders"},
      {"topics", "delete", "--who", "ann", "--why", "x"},
      {"topics", "delete", "orders", "--who", "ann"},
      {"subjects"},
      {"subjects", "erase", "--who", "ann", "--why", "x"},
      {"subjects", "erase", "7", "--who", "ann"},
      {"subscriptions", "list", "a"},
      {"subscriptions", "pause"},
      {"subscriptions", "replay", "a"},
      {"subscriptions", "pause", "a", "--to", "0-9"},
      {"subscriptions", "release", "a"},
      {"subscriptions", "pause", "a", "--key", "k"},
      {"subscriptions", "forget", "a", "--who", "ann"},
      {"subscriptions", "dead-letters"},
      {"subscriptions", "dead-letters", "a", "show"},
      {"subscriptions", "dead-letters", "a", "list", "7"},
      {"subscriptions", "dead-letters", "a", "burn", "7"},
      {"subscriptions", "dead-letters", "a", "drop", "7", "--who", "ann"},
      {"subscriptions", "dead-letters", "a", "edit", "7", "--who", "ann", "--why", "x"},
      {"subscriptions", "dead-letters", "a", "edit", "7", "--who", "ann", "--why", "x", "--data", "{"},
      {"subscriptions", "dead-letters", "a", "edit", "--all", "--who", "ann", "--why", "x", "--data", "{}"},
      {"subscriptions", "dead-letters", "a", "replay", "7", "--all", "--who", "ann", "--why", "x"},
      {"subscriptions", "dead-letters", "a", "replay", "7", "--key", "k", "--who", "ann", "--why", "x"},
      {"aggregates", "show", "order"},
      {"aggregates", "list", "order", "o-1"},
      {"aggregates", "list", "order", "--at", "2"},
      {"aggregates", "show", "order", "o-1", "--at", "0"},
      {"aggregates", "show", "order", "o-1", "--limit", "501"},
      {"views", "show"},
      {"views", "list", "a"},
      {"views", "rebuild"},
      {"explain"},
      {"simulate"},
      {"simulate", "f", "--seeds", "0"},
      {"simulate", "f", "--events", "20001"},
      {"simulate", "f", "--trace"},
      {"simulate", "f", "--trace", "--seeds", "1", "--json"},
      {"queues", "show"},
      {"queues", "list", "later"},
      {"queues", "retry", "later"},
      {"queues", "show", "later", "--state", "lost"}};
  for (const auto& arguments : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "") << testing::PrintToString(arguments);
  }
}

TEST(CommandLine, SaysWhichVerbsAreNotThereYet) {
  const Outcome outcome = run({"migrations", "show", "charges", "--from", "0"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "flotilla: 'migrations' is not in this build yet\n");
}

TEST(ClientVerbs, AskTheRightThing) {
  const AdminPort port(&echo);
  struct {
    std::vector<std::string> arguments;
    std::string asked;
  } const cases[] = {
      {{"services"}, "GET /api/v1/services"},
      {{"services", "list"}, "GET /api/v1/services"},
      {{"routes"}, "GET /api/v1/routes"},
      {{"routes", "--gateway", "a b"}, "GET /api/v1/routes?gateway=a%20b"},
      {{"routes", "--explain", "PUT", "http://h/x?y=1"},
       "GET /api/v1/routes?method=PUT&url=http%3A%2F%2Fh%2Fx%3Fy%3D1"},
      {{"topics"}, "GET /api/v1/topics"},
      {{"topics", "show", "order.placed"}, "GET /api/v1/topics/order.placed"},
      {{"topics", "delete", "a.b", "--who", "ann", "--why", "x"}, "DELETE /api/v1/topics/a.b"},
      {{"subjects", "show", "a/b"}, "GET /api/v1/subjects/a%2Fb"},
      {{"subjects", "erase", "7", "--who", "ann", "--why", "x"}, "POST /api/v1/subjects/7/erase"},
      {{"subscriptions"}, "GET /api/v1/subscriptions"},
      {{"subscriptions", "show", "mail"}, "GET /api/v1/subscriptions/mail"},
      {{"subscriptions", "pause", "mail", "--why", "deploy"}, "POST /api/v1/subscriptions/mail/pause"},
      {{"subscriptions", "resume", "mail"}, "POST /api/v1/subscriptions/mail/resume"},
      {{"subscriptions", "replay", "mail", "--from", "0"}, "POST /api/v1/subscriptions/mail/replay"},
      {{"subscriptions", "release", "mail", "--key", "7"}, "POST /api/v1/subscriptions/mail/release"},
      {{"subscriptions", "forget", "mail", "--who", "ann", "--why", "x"},
       "POST /api/v1/subscriptions/mail/forget"},
      {{"subscriptions", "dead-letters", "mail"}, "GET /api/v1/subscriptions/mail/dead-letters?limit=100"},
      {{"subscriptions", "dead-letters", "mail", "list", "--state", "all", "--key", "a b", "--after", "7"},
       "GET /api/v1/subscriptions/mail/dead-letters?state=all&key=a%20b&after=7&limit=100"},
      {{"subscriptions", "dead-letters", "mail", "show", "7"},
       "GET /api/v1/subscriptions/mail/dead-letters/7"},
      {{"subscriptions", "dead-letters", "mail", "edit", "7", "--data", "{}", "--who", "ann", "--why", "x"},
       "POST /api/v1/subscriptions/mail/dead-letters/7/edit"},
      {{"subscriptions", "dead-letters", "mail", "drop", "7", "--who", "ann", "--why", "x"},
       "POST /api/v1/subscriptions/mail/dead-letters/7/drop"},
      {{"subscriptions", "dead-letters", "mail", "replay", "--all", "--code", "503", "--who", "ann", "--why",
        "x"},
       "POST /api/v1/subscriptions/mail/dead-letters/replay"},
      {{"queues"}, "GET /api/v1/queues"},
      {{"queues", "show", "later"}, "GET /api/v1/queues/later?limit=100"},
      {{"queues", "show", "later", "--state", "dead", "--limit", "5", "--after", "7"},
       "GET /api/v1/queues/later?limit=5&state=dead&after=7"},
      {{"queues", "show", "later", "7"}, "GET /api/v1/queues/later/7"},
      {{"queues", "retry", "later", "7", "--why", "x"}, "POST /api/v1/queues/later/7/retry"},
      {{"queues", "delete", "later", "7"}, "DELETE /api/v1/queues/later/7"},
      {{"kafka"}, "GET /api/v1/kafka"},
      {{"aggregates"}, "GET /api/v1/aggregates"},
      {{"aggregates", "list", "order", "--after", "7"}, "GET /api/v1/aggregates/order?limit=100&after=7"},
      {{"aggregates", "show", "order", "a/b", "--at", "3", "--limit", "5"},
       "GET /api/v1/aggregates/order/a%2Fb?at=3&limit=5"},
      {{"views"}, "GET /api/v1/views"},
      {{"views", "show", "user_orders"}, "GET /api/v1/views/user_orders"},
      {{"views", "rebuild", "user_orders", "--who", "me"}, "POST /api/v1/views/user_orders/rebuild"},
      {{"breakers"}, "GET /api/v1/breakers"},
      {{"breakers", "show", "a/b"}, "GET /api/v1/breakers/a%2Fb"},
      {{"breakers", "force-open", "pay"}, "POST /api/v1/breakers/pay/force-open"},
      {{"breakers", "close", "pay"}, "POST /api/v1/breakers/pay/close"},
      {{"breakers", "auto", "pay"}, "POST /api/v1/breakers/pay/auto"},
      {{"explain", "pay"}, "GET /api/v1/explain/pay"},
  };
  for (auto c : cases) {
    c.arguments.insert(c.arguments.end(), {"--admin", port.url(), "-o", "json"});
    const Outcome outcome = run(c.arguments);
    EXPECT_EQ(outcome.code, 0) << c.asked << outcome.err;
    EXPECT_TRUE(outcome.out.starts_with(R"({"items":[{"name":")" + c.asked + '"')) << outcome.out;
    EXPECT_TRUE(outcome.out.ends_with("}\n")) << outcome.out;
  }
}

TEST(ClientVerbs, PrintTablesForPeople) {
  const AdminPort port(&echo);
  EXPECT_EQ(run({"services", "--admin", port.url()}).out,
            "NAME                  SOURCE  INSTANCES\n"
            "GET /api/v1/services  none    -\n");
  EXPECT_EQ(run({"breakers", "auto", "pay", "--admin", port.url()}).out,
            "SERVICE                         STATE  MODE  FAILURES  OPENED AT  RETRY AT\n"
            "POST /api/v1/breakers/pay/auto  -      -     -         -          -\n");
}

TEST(ClientVerbs, SendTheToken) {
  const AdminPort port(&echo);
  const std::string path = testing::TempDir() + "flotilla_cli_test_token";
  const auto ask = [&](std::string_view content) {
    std::ofstream(path, std::ios::binary) << content;
    return run({"services", "--admin", port.url(), "--token-file", path});
  };
  EXPECT_TRUE(ask("s3cret\n").out.contains("Bearer s3cret"));
  for (const std::string& content : {std::string(), std::string("a\nX: b"), std::string(5000, 'a')}) {
    const Outcome outcome = ask(content);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_TRUE(outcome.err.contains("--token-file " + path)) << outcome.err;
  }
  std::remove(path.c_str());
  const Outcome missing = run({"services", "--admin", port.url(), "--token-file", path});
  EXPECT_EQ(missing.code, 1);
  EXPECT_TRUE(missing.err.contains("cannot be read")) << missing.err;
}

TEST(ClientVerbs, PrintTheProblem) {
  const AdminPort port(&refuse);
  const Outcome outcome = run({"explain", "x", "--admin", port.url()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "flotilla: Not found: no service \"x\"\n");
}

TEST(ClientVerbs, SayWhenNobodyAnswers) {
  const Outcome away = run({"services", "--admin", "http://127.0.0.1:1"});
  EXPECT_EQ(away.code, 1);
  EXPECT_TRUE(away.err.starts_with("flotilla: cannot ask http://127.0.0.1:1: ")) << away.err;
  for (const char* const text : {"https://127.0.0.1:1", "127.0.0.1", "http://", "http://a b"}) {
    const std::string url = text;
    const Outcome wrong = run({"services", "--admin", url});
    EXPECT_EQ(wrong.code, 1);
    EXPECT_EQ(wrong.err, "flotilla: --admin " + url + ": expected http://HOST:PORT\n");
  }
}

}  // namespace
}  // namespace flotilla::app
