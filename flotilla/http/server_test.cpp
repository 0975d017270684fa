#include "flotilla/http/server.hpp"

#include <string>

#include <gtest/gtest.h>

#include "flotilla/http/api_server.hpp"
#include "flotilla/http/client.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::http {
namespace {

using namespace std::chrono_literals;

// Answers every request with its method, target and body.
net::Task<Response> mirror(Request request, net::SocketAddress) {
  Response response;
  response.headers.add("Content-Type", "text/plain");
  response.body = request.method + " " + request.target + " " + request.body;
  co_return response;
}

// Runs `client` against a server with `handler`, then drains the server.
template <class Client>
void serve(const ServerLimits& limits, const ApiHandler& handler, Client client) {
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  ApiServer server(**loop, limits, handler);
  const auto address = server.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(address.has_value());
  net::Scope scope;
  auto main = [](net::Loop& l, Client& body, ApiServer& s, net::SocketAddress at) -> net::Task<> {
    co_await body(l, at);
    co_await s.drain(l.now() + 1s);
    l.stop();
  };
  (*loop)->post([&] { scope.spawn(main(**loop, client, server, *address)); });
  (*loop)->run();
}

// Sends `request` in pieces of `step` bytes and gives all that comes back until the server closes or
// `expected` bytes are there.
net::Task<std::string> talk(net::Loop& loop, net::SocketAddress address, std::string request,
                            std::size_t step) {
  auto channel = co_await net::connect(loop, address, loop.now() + 5s);
  channel->set_deadline(loop.now() + 5s);
  for (std::size_t at = 0; at < request.size(); at += step) {
    channel->send(std::string_view(request).substr(at, step));
    if (step < request.size()) {
      co_await net::sleep_for(loop, 1us);
    }
  }
  std::string all;
  for (;;) {
    const auto bytes = co_await channel->recv();
    if (!bytes || bytes->empty()) {
      co_return all;
    }
    all.append(*bytes);
  }
}

std::string body_of(const std::string& response) { return response.substr(response.find("\r\n\r\n") + 4); }

// A handler that is still at work when the drain begins.
TEST(Server, AnAnswerThatWasAwaitedWhenTheDrainBeganSaysClose) {
  net::Event asked;
  std::string response;
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  net::Event go;
  const ApiHandler slow = [&](Request, net::SocketAddress) -> net::Task<Response> {
    asked.set();
    co_await go.wait();
    co_return Response{.status = 200, .body = "late"};
  };
  ApiServer server(**loop, {}, slow);
  const auto address = server.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(address.has_value());
  net::Scope scope;
  (*loop)->post([&] {
    scope.spawn([](net::Loop& l, net::SocketAddress at, std::string& got) -> net::Task<> {
      got = co_await talk(l, at, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000);
    }(**loop, *address, response));
    scope.spawn([](net::Loop& l, ApiServer& s, net::Event& begun, net::Event& release) -> net::Task<> {
      co_await begun.wait();
      l.post([&release] { release.set(); });
      co_await s.drain(l.now() + 5s);
      l.stop();
    }(**loop, server, asked, go));
  });
  (*loop)->run();
  EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos) << response;
  EXPECT_EQ(body_of(response), "late");
}

TEST(Server, AnswersARequestSplitAtEveryStep) {
  serve({}, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const std::string request =
        "POST /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for (std::size_t step = 1; step <= request.size(); step += 7) {
      const std::string response = co_await talk(loop, at, request, step);
      EXPECT_EQ(body_of(response), "POST /a?b=c hello world") << "step " << step;
    }
  });
}

TEST(Server, ApiHandlersSeeTheHostWithItsPort) {
  const ApiHandler host = [](Request request, net::SocketAddress) -> net::Task<Response> {
    co_return Response{.body = std::string(request.headers.get("Host").value_or("none"))};
  };
  serve({}, host, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const auto ask = [&](std::string given) {
      return talk(loop, at, "GET / HTTP/1.1\r\nHost: " + given + "\r\nConnection: close\r\n\r\n", 1000);
    };
    EXPECT_EQ(body_of(co_await ask("LocalHost:9900")), "localhost:9900");
    EXPECT_EQ(body_of(co_await ask("localhost")), "localhost");
    EXPECT_EQ(body_of(co_await ask("[::1]:80")), "[::1]:80");
  });
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  serve({}, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const std::string all = co_await talk(loop, at,
                                          "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                                          "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
                                          "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                          1000);
    const std::size_t first = all.find("GET /1 ");
    const std::size_t second = all.find("POST /2 hi");
    const std::size_t third = all.find("GET /3 ");
    EXPECT_NE(first, std::string::npos);
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_NE(third, std::string::npos);
  });
}

TEST(Server, RefusesWhatItCannotParseAndCloses) {
  serve({}, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const std::string response = co_await talk(
        loop, at, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        1000);
    EXPECT_TRUE(response.starts_with("HTTP/1.1 400 ")) << response;
    EXPECT_NE(response.find("Flotilla-Error: malformed"), std::string::npos);
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
  });
}

TEST(Server, AnswersMalformedAndTooLargeBodies) {
  ServerLimits limits;
  limits.body = 10;
  serve(limits, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    EXPECT_TRUE((co_await talk(
                     loop, at,
                     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", 1000))
                    .starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(
        (co_await talk(loop, at, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello", 1000))
            .starts_with("HTTP/1.1 413 "));
    EXPECT_TRUE(
        (co_await talk(loop, at,
                       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
                       1000))
            .starts_with("HTTP/1.1 413 "));
  });
}

TEST(Server, SaysContinueOnlyWhenTheBodyIsWanted) {
  ServerLimits limits;
  limits.body = 10;
  serve(limits, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const std::string refused = co_await talk(
        loop, at, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n", 1000);
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 413 ")) << refused;
    auto channel = co_await net::connect(loop, at, loop.now() + 5s);
    channel->set_deadline(loop.now() + 5s);
    channel->send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(*co_await channel->recv(), "HTTP/1.1 100 Continue\r\n\r\n");
    channel->send("hi");
    EXPECT_NE((co_await channel->recv())->find("POST / hi"), std::string_view::npos);
  });
}

TEST(Server, CutsOffSlowHeadsAndIdleConnections) {
  ServerLimits limits;
  limits.header_timeout = 20ms;
  limits.idle = 20ms;
  serve(limits, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    EXPECT_TRUE((co_await talk(loop, at, "GET / HTTP/1.1\r\nHo", 1000)).starts_with("HTTP/1.1 408 "));
    EXPECT_EQ(co_await talk(loop, at, "", 1), "");
  });
}

TEST(Server, AClientThatLeavesCancelsItsHandler) {
  struct Seen {
    bool started = false;
    bool finished = false;
    bool destroyed = false;
  } seen;
  struct Mark {
    bool& flag;
    ~Mark() { flag = true; }
  };
  const auto slow = [&seen](Request, net::SocketAddress) -> net::Task<Response> {
    const Mark mark{seen.destroyed};
    seen.started = true;
    co_await net::sleep_for(*net::Loop::current(), 1h);
    seen.finished = true;
    co_return Response{};
  };
  serve({}, slow, [&seen](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    {
      auto channel = co_await net::connect(loop, at, loop.now() + 5s);
      channel->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      while (!seen.started) {
        co_await net::sleep_for(loop, 1ms);
      }
    }
    for (int i = 0; i < 1000 && !seen.destroyed; ++i) {
      co_await net::sleep_for(loop, 1ms);
    }
    EXPECT_TRUE(seen.destroyed);
    EXPECT_FALSE(seen.finished);
  });
}

TEST(Client, FetchesWholeAnswers) {
  serve({}, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    Request request{.method = "PUT", .target = "/thing", .body = std::string(100'000, 'x')};
    const auto response = co_await fetch(loop, at, "x", std::move(request), {.deadline = loop.now() + 5s});
    EXPECT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body.size(), 100'000 + std::string_view("PUT /thing ").size());
  });
}

TEST(Client, SaysWhyItFailed) {
  serve({}, mirror, [](net::Loop& loop, net::SocketAddress at) -> net::Task<> {
    const auto refused = co_await fetch(loop, *net::SocketAddress::parse("127.0.0.1:1"), "x", {},
                                        {.deadline = loop.now() + 5s});
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    const auto limited = co_await fetch(loop, at, "x", {}, {.deadline = loop.now() + 5s, .most_body = 3});
    EXPECT_EQ(limited.error().code, Errc::limit);
  });
}

}  // namespace
}  // namespace flotilla::http
