#include "flotilla/http/connection_pool.hpp"

#include <gtest/gtest.h>

#include "flotilla/net/event.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::http {
namespace {

using namespace std::chrono_literals;

// A service that answers each read with the next of `answers`, then closes.
template <class Client>
void with_service(std::vector<std::string> answers, Client client) {
  auto loop = net::Loop::create();
  ASSERT_TRUE(loop.has_value());
  net::Scope scope;
  const auto service = [](net::Channel channel, std::vector<std::string> script) -> net::Task<> {
    for (const std::string& answer : script) {
      const auto bytes = co_await channel.recv();
      if (!bytes || bytes->empty()) {
        co_return;
      }
      channel.send(answer);
    }
    (void)co_await channel.flush();
  };
  auto listener = net::Listener::open(**loop, *net::SocketAddress::parse("127.0.0.1:0"), 100,
                                      [&](net::Channel c) { scope.spawn(service(std::move(c), answers)); });
  ASSERT_TRUE(listener.has_value());
  ObjectPool<detail::Answer> objects;
  ConnectionPool pool(**loop, (*listener)->address(), objects);
  auto main = [](net::Loop& l, ConnectionPool& p, Client& body) -> net::Task<> {
    co_await body(l, p);
    l.stop();
  };
  (*loop)->post([&] { scope.spawn(main(**loop, pool, client)); });
  (*loop)->run();
  scope.cancel_all();
}

net::Task<std::string> ask(net::Loop& loop, Upstream& upstream) {
  upstream.channel().set_deadline(loop.now() + 5s);
  upstream.channel().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto head = co_await upstream.read_head(Method::get);
  if (!head) {
    co_return "failed: " + std::string(head.error().detail);
  }
  std::string body;
  for (auto piece = upstream.arrived_body();; piece = co_await upstream.read_body()) {
    if (!piece) {
      co_return "broken: " + std::string(piece.error().detail);
    }
    body.append(*piece);
    if (upstream.body_done()) {
      co_return body;
    }
  }
}

TEST(ConnectionPool, ReusesAConnectionWhoseAnswerWasReadWhole) {
  with_service(
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"},
      [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
        {
          auto upstream = co_await pool.connect(loop.now() + 5s);
          EXPECT_EQ(co_await ask(loop, *upstream), "one");
        }
        EXPECT_EQ(pool.idle(), 1U);
        Upstream again = pool.take_idle();
        EXPECT_TRUE(again.reused());
        EXPECT_EQ(co_await ask(loop, again), "two");
      });
}

TEST(ConnectionPool, DropsAnIdleConnectionThatThePeerClosed) {
  with_service({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
               [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
                 {
                   auto upstream = co_await pool.connect(loop.now() + 5s);
                   EXPECT_EQ(co_await ask(loop, *upstream), "");
                 }
                 for (int i = 0; i < 1000 && pool.idle() > 0; ++i) {
                   co_await net::sleep_for(loop, 1ms);
                 }
                 EXPECT_EQ(pool.idle(), 0U);
               });
}

TEST(ConnectionPool, DoesNotKeepAConnectionWithBytesBehindTheAnswer) {
  with_service({"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 200 OK\r\n\r\n", ""},
               [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
                 {
                   auto upstream = co_await pool.connect(loop.now() + 5s);
                   EXPECT_EQ(co_await ask(loop, *upstream), "one");
                 }
                 EXPECT_EQ(pool.idle(), 0U);
               });
}

TEST(ConnectionPool, ATruncatedBodyIsNotAWholeOne) {
  with_service({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"},
               [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
                 auto upstream = co_await pool.connect(loop.now() + 5s);
                 EXPECT_TRUE((co_await ask(loop, *upstream)).starts_with("broken: "));
               });
}

TEST(ConnectionPool, SkipsInformationalAnswers) {
  with_service(
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
      [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
        auto upstream = co_await pool.connect(loop.now() + 5s);
        EXPECT_EQ(co_await ask(loop, *upstream), "ok");
      });
}

TEST(ConnectionPool, AnUpstreamOutlivesItsPool) {
  with_service({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
               [](net::Loop& loop, ConnectionPool& pool) -> net::Task<> {
                 static ObjectPool<detail::Answer> objects;
                 Upstream upstream;
                 {
                   ConnectionPool own(loop, pool.address(), objects);
                   auto connected = co_await own.connect(loop.now() + 5s);
                   upstream = std::move(*connected);
                 }
                 EXPECT_EQ(co_await ask(loop, upstream), "ok");
               });
}

}  // namespace
}  // namespace flotilla::http
