// Connections that several requests of one turn share (ConnectionPool::take_pipelined).
#include <functional>

#include <gtest/gtest.h>

#include "flotilla/http/connection_pool.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::http {
namespace {

using namespace std::chrono_literals;

std::string ok(std::string_view body, std::string_view more = "") {
  return "HTTP/1.1 200 OK\r\n" + std::string(more) + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

// A service on a loop, and clients of it. It calls `serve` with the paths of the requests that one read gave.
class Pipelining : public testing::Test {
 protected:
  using Serve = std::function<net::Task<bool>(net::Channel&, std::vector<std::string> paths)>;

  // Runs `client` beside the service.
  void run(Serve serve, std::function<net::Task<>()> client) {
    serve_ = std::move(serve);
    net::Scope scope;
    auto listener = net::Listener::open(*loop_, *net::SocketAddress::parse("127.0.0.1:0"), 100,
                                        [&](net::Channel c) { scope.spawn(connection(std::move(c))); });
    ASSERT_TRUE(listener.has_value());
    ConnectionPool pool(*loop_, (*listener)->address(), answers_);
    pool_ = &pool;
    const auto main = [](Pipelining& self, std::function<net::Task<>()>& body) -> net::Task<> {
      auto first = co_await self.pool_->connect(self.loop_->now() + 5s);
      EXPECT_EQ(co_await self.ask(std::move(*first), "/warm"), "/warm");
      EXPECT_EQ(self.pool_->idle(), 1U);
      co_await body();
      self.loop_->stop();
    };
    loop_->post([&] { scope.spawn(main(*this, client)); });
    loop_->run();
    scope.cancel_all();
  }

  Upstream take(std::uint32_t depth = 8) { return pool_->take_pipelined(depth); }

  // Sends a request now; the body of its answer, or how it failed.
  net::Task<std::string> ask(Upstream upstream, std::string path, Duration patience = 5s) {
    upstream.set_deadline(loop_->now() + patience);
    upstream.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto head = co_await upstream.read_head(Method::get);
    if (!head) {
      co_return name_of(head.error().kind);
    }
    std::string body;
    for (auto piece = upstream.arrived_body();; piece = co_await upstream.read_body()) {
      if (!piece) {
        co_return name_of(piece.error().kind);
      }
      body.append(*piece);
      if (upstream.body_done()) {
        co_return body;
      }
    }
  }
  // Asks all at once over `take()`; their answers in order.
  net::Task<std::vector<std::string>> ask_together(std::vector<std::string> paths, std::uint32_t depth = 8) {
    std::vector<std::string> got(paths.size());
    net::Scope scope;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      scope.spawn(ask_into(take(depth), paths[i], 5s, got[i]));
    }
    co_await scope.join();
    co_return got;
  }
  net::Task<> ask_into(Upstream upstream, std::string path, Duration patience, std::string& got) {
    got = co_await ask(std::move(upstream), std::move(path), patience);
  }

  // Answers each request with its path.
  static Serve echo() {
    return [](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
      for (const std::string& path : paths) {
        channel.send(ok(path));
      }
      co_return true;
    };
  }

  std::vector<std::size_t> reads_;  // how many requests each read of the service gave
  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create());
  ObjectPool<detail::Answer> answers_;
  ConnectionPool* pool_ = nullptr;

 private:
  static std::string name_of(UpstreamFailure::Kind kind) {
    using Kind = UpstreamFailure::Kind;
    return kind == Kind::displaced ? "displaced" : kind == Kind::timeout ? "timeout" : "failed";
  }
  net::Task<> connection(net::Channel channel) {
    for (;;) {
      const auto bytes = co_await channel.recv();
      if (!bytes || bytes->empty()) {
        co_return;
      }
      std::vector<std::string> paths;
      std::string_view rest = *bytes;
      for (std::size_t end = 0; (end = rest.find("\r\n\r\n")) != std::string_view::npos;) {
        paths.emplace_back(rest.substr(4, rest.find(' ', 4) - 4));
        rest.remove_prefix(end + 4);
      }
      reads_.push_back(paths.size());
      if (paths == std::vector<std::string>{"/warm"}) {
        channel.send(ok("/warm"));
      } else if (!co_await serve_(channel, std::move(paths))) {
        (void)co_await channel.flush();
        co_return;
      }
    }
  }

  Serve serve_;
};

using Answers = std::vector<std::string>;

TEST_F(Pipelining, RequestsOfOneTurnLeaveInOneSendOnOneConnection) {
  run(echo(), [&]() -> net::Task<> {
    EXPECT_EQ(co_await ask_together({"/a", "/b", "/c"}), (Answers{"/a", "/b", "/c"}));
    EXPECT_EQ(reads_, (std::vector<std::size_t>{1, 3}));
    EXPECT_EQ(pool_->idle(), 1U);
    EXPECT_EQ(co_await ask_together({"/d", "/e"}), (Answers{"/d", "/e"}));  // it is kept
    EXPECT_EQ(pool_->idle(), 1U);
  });
}

TEST_F(Pipelining, RequestsOfAnotherTurnTakeAnotherConnection) {
  run(
      [](net::Channel& channel, std::vector<std::string>) -> net::Task<bool> {
        co_await net::sleep_for(channel.loop(), 20ms);
        channel.send(ok("slow"));
        co_return true;
      },
      [&]() -> net::Task<> {
        net::Scope scope;
        std::string slow;
        scope.spawn(ask_into(take(), "/slow", 5s, slow));
        EXPECT_EQ(reads_.size(), 1U);
        co_await net::sleep_for(*loop_, 8ms);
        EXPECT_FALSE(take());  // no idle one: the caller connects
        co_await scope.join();
        EXPECT_EQ(slow, "slow");
      });
}

TEST_F(Pipelining, NoMoreThanTheDepthShareOne) {
  run(echo(), [&]() -> net::Task<> {
    net::Scope scope;
    Answers got(2);
    scope.spawn(ask_into(take(2), "/a", 5s, got[0]));
    scope.spawn(ask_into(take(2), "/b", 5s, got[1]));
    EXPECT_FALSE(take(2));
    co_await scope.join();
    EXPECT_EQ(got, (Answers{"/a", "/b"}));
  });
}

TEST_F(Pipelining, AnswersMayBeCutAnywhere) {
  const std::string both =
      ok("first answer") + "HTTP/1.1 103 Early Hints\r\n\r\n" +
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n" + ok("") +
      ok("fourth");
  std::size_t cut = 0;
  run(
      [&](net::Channel& channel, std::vector<std::string>) -> net::Task<bool> {
        channel.send(std::string_view(both).substr(0, cut));
        co_await net::sleep_for(channel.loop(), 1ms);
        channel.send(std::string_view(both).substr(cut));
        co_return true;
      },
      [&]() -> net::Task<> {
        for (cut = 0; cut < both.size(); ++cut) {
          EXPECT_EQ(co_await ask_together({"/1", "/2", "/3", "/4"}),
                    (Answers{"first answer", "second", "", "fourth"}))
              << "cut at " << cut;
        }
        EXPECT_EQ(pool_->idle(), 1U);  // the same one all the time
      });
}

TEST_F(Pipelining, AnAnswerThatEndsTheConnectionDisplacesThoseBehindIt) {
  run(
      [](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
        channel.send(ok(paths[0], "Connection: close\r\n"));
        co_return false;
      },
      [&]() -> net::Task<> {
        EXPECT_EQ(co_await ask_together({"/a", "/b", "/c"}), (Answers{"/a", "displaced", "displaced"}));
        EXPECT_EQ(pool_->idle(), 0U);
      });
}

TEST_F(Pipelining, AfterThatNoneIsSharedForAWhile) {
  bool closing = true;
  run(
      [&](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
        for (const std::string& path : paths) {
          channel.send(ok(path, closing ? "Connection: close\r\n" : ""));
        }
        co_return !closing;
      },
      [&]() -> net::Task<> {
        EXPECT_EQ(co_await ask_together({"/a", "/b"}), (Answers{"/a", "displaced"}));
        closing = false;
        auto again = co_await pool_->connect(loop_->now() + 5s);
        EXPECT_EQ(co_await ask(std::move(*again), "/c"), "/c");
        const Upstream alone = take();
        EXPECT_TRUE(alone);
        EXPECT_FALSE(take());
      });
}

TEST_F(Pipelining, OneThatGivesUpInLineHarmsOnlyThoseBehindIt) {
  run(
      [](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
        co_await net::sleep_for(channel.loop(), 20ms);
        for (const std::string& path : paths) {
          channel.send(ok(path));
        }
        co_return true;
      },
      [&]() -> net::Task<> {
        net::Scope scope;
        Answers got(3);
        scope.spawn(ask_into(take(), "/a", 5s, got[0]));
        const auto second = scope.spawn(ask_into(take(), "/b", 5s, got[1]));
        scope.spawn(ask_into(take(), "/c", 5s, got[2]));
        co_await net::sleep_for(*loop_, 4ms);
        scope.cancel(second);
        co_await scope.join();
        EXPECT_EQ(got, (Answers{"/a", "", "displaced"}));
        EXPECT_EQ(pool_->idle(), 0U);
      });
}

TEST_F(Pipelining, EachHasItsOwnDeadline) {
  run(
      [](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
        co_await net::sleep_for(channel.loop(), 60ms);
        for (const std::string& path : paths) {
          channel.send(ok(path));
        }
        co_return true;
      },
      [&]() -> net::Task<> {
        net::Scope scope;
        Answers got(2);
        scope.spawn(ask_into(take(), "/patient", 5s, got[0]));
        scope.spawn(ask_into(take(), "/hasty", 10ms, got[1]));
        co_await scope.join();
        EXPECT_EQ(got, (Answers{"/patient", "timeout"}));
      });
}

TEST_F(Pipelining, OneThatWasNeverSentLeavesTheConnectionToTheOthers) {
  run(echo(), [&]() -> net::Task<> {
    {
      const Upstream unused = take();
      EXPECT_TRUE(unused);
    }
    EXPECT_EQ(pool_->idle(), 1U);
    EXPECT_EQ(co_await ask_together({"/a", "/b"}), (Answers{"/a", "/b"}));
  });
}

TEST_F(Pipelining, BytesBehindTheLastAnswerAreNobodys) {
  run(
      [](net::Channel& channel, std::vector<std::string> paths) -> net::Task<bool> {
        channel.send(ok(paths[0]) + ok(paths[1]) + ok("nobody asked"));
        co_return true;
      },
      [&]() -> net::Task<> {
        EXPECT_EQ(co_await ask_together({"/a", "/b"}), (Answers{"/a", "/b"}));
        EXPECT_EQ(pool_->idle(), 0U);
      });
}

}  // namespace
}  // namespace flotilla::http
