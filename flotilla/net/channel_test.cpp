#include "flotilla/net/channel.hpp"

#include <string>

#include <gtest/gtest.h>

#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::net {
namespace {

using namespace std::chrono_literals;

// A loop with a listener whose connections run `serve`, and a client coroutine; ends when the client does.
template <class Serve, class Client>
void exchange(Serve serve, Client client) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop.has_value());
  Loop& l = **loop;
  Scope scope;
  auto listener = Listener::open(l, *SocketAddress::parse("127.0.0.1:0"), 100,
                                 [&](Channel channel) { scope.spawn(serve(std::move(channel))); });
  ASSERT_TRUE(listener.has_value());
  auto main = [](Loop& on, Client& body, SocketAddress address) -> Task<> {
    co_await body(on, address);
    on.stop();
  };
  l.post([&] { scope.spawn(main(l, client, (*listener)->address())); });
  l.run();
  scope.cancel_all();
}

Task<> echo(Channel channel) {
  for (;;) {
    const auto bytes = co_await channel.recv();
    if (!bytes || bytes->empty()) {
      co_return;
    }
    channel.send(*bytes);
    if (!co_await channel.drain()) {
      co_return;
    }
  }
}

TEST(Channel, CarriesMoreThanEveryBufferBothWays) {
  exchange(echo, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    EXPECT_TRUE(channel.has_value());
    channel->set_deadline(loop.now() + 30s);
    constexpr std::size_t kTotal = 20'000'000;
    const std::string piece(300'000, 'x');
    Scope scope;
    auto sender = [](Channel& c, const std::string& p) -> Task<> {
      for (std::size_t sent = 0; sent < kTotal; sent += p.size()) {
        c.send(p.substr(0, std::min(p.size(), kTotal - sent)));
        (void)co_await c.drain();
      }
    };
    scope.spawn(sender(*channel, piece));
    std::size_t received = 0;
    while (received < kTotal) {
      const auto bytes = co_await channel->recv();
      if (!bytes || bytes->empty()) {
        break;
      }
      received += bytes->size();
    }
    EXPECT_EQ(received, kTotal);
  });
}

TEST(Channel, SendsTwoPiecesInOrder) {
  exchange(echo, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    channel->send("head;", "body");
    std::string all;
    while (all.size() < 9) {
      all += *co_await channel->recv();
    }
    EXPECT_EQ(all, "head;body");
  });
}

TEST(Channel, DeadlineEndsARead) {
  exchange(echo, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    channel->set_deadline(loop.now() + 10ms);
    const auto late = co_await channel->recv();
    EXPECT_EQ(late.error(), IoError::timeout);
    channel->set_deadline(kNever);
    channel->send("still usable");
    EXPECT_EQ(*co_await channel->recv(), "still usable");
  });
}

TEST(Channel, ConnectToNothingIsRefused) {
  exchange(echo, [](Loop& loop, SocketAddress) -> Task<> {
    const auto channel = co_await connect(loop, *SocketAddress::parse("127.0.0.1:1"), loop.now() + 5s);
    EXPECT_EQ(channel.error(), IoError::refused);
  });
}

TEST(Channel, EndIsSeenAfterTheLastBytesAndAgain) {
  const auto goodbye = [](Channel channel) -> Task<> {
    channel.send("last words");
    co_return;
  };
  exchange(goodbye, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    co_await sleep_for(loop, 5ms);
    EXPECT_EQ(*co_await channel->recv(), "last words");
    EXPECT_EQ(*co_await channel->recv(), "");
    EXPECT_EQ(*co_await channel->recv(), "");
    EXPECT_TRUE(channel->stale());
  });
}

TEST(Channel, AbortIsNeverTakenForAnEnd) {
  const auto abort = [](Channel channel) -> Task<> {
    (void)co_await channel.recv();
    channel.abort();
  };
  exchange(abort, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    channel->send("hello");
    EXPECT_EQ((co_await channel->recv()).error(), IoError::reset);
  });
}

TEST(Channel, InterruptResumesTheReader) {
  exchange(echo, [](Loop& loop, SocketAddress address) -> Task<> {
    auto channel = co_await connect(loop, address, loop.now() + 5s);
    Scope scope;
    const auto interrupter = [](Loop& l, Channel& c) -> Task<> {
      co_await sleep_for(l, 1ms);
      c.interrupt(IoError::reset);
    };
    scope.spawn(interrupter(loop, *channel));
    EXPECT_EQ((co_await channel->recv()).error(), IoError::reset);
    EXPECT_EQ((co_await channel->recv()).error(), IoError::reset);
  });
}

TEST(Channel, WatcherTellsOfAHangUpWhileNobodyReads) {
  exchange(echo, [](Loop& loop, SocketAddress address) -> Task<> {
    struct Seen {
      Event event;
      bool hung_up = false;
    } seen;
    Scope scope;
    const auto serve = [](Channel c, Seen& s) -> Task<> {
      c.watch(
          [](void* context) {
            static_cast<Seen*>(context)->hung_up = true;
            static_cast<Seen*>(context)->event.set();
          },
          &s);
      co_await s.event.wait();
    };
    auto listener = Listener::open(loop, *SocketAddress::parse("127.0.0.1:0"), 1,
                                   [&](Channel c) { scope.spawn(serve(std::move(c), seen)); });
    {
      auto channel = co_await connect(loop, (*listener)->address(), loop.now() + 5s);
      co_await sleep_for(loop, 5ms);
      EXPECT_FALSE(seen.hung_up);
    }
    co_await scope.join();
    EXPECT_TRUE(seen.hung_up);
    (void)address;
  });
}

TEST(Listener, PausesAtItsLimitAndGoesOn) {
  exchange(echo, [](Loop& loop, SocketAddress) -> Task<> {
    std::vector<Channel> accepted;
    auto listener = Listener::open(loop, *SocketAddress::parse("127.0.0.1:0"), 1,
                                   [&](Channel c) { accepted.push_back(std::move(c)); });
    auto first = co_await connect(loop, (*listener)->address(), loop.now() + 5s);
    auto second = co_await connect(loop, (*listener)->address(), loop.now() + 5s);
    co_await sleep_for(loop, 10ms);
    EXPECT_EQ(accepted.size(), 1U);
    accepted.clear();
    (*listener)->connection_gone();
    co_await sleep_for(loop, 10ms);
    EXPECT_EQ(accepted.size(), 1U);
  });
}

TEST(AddressLock, RefusesASecondHolder) {
  const auto address = *SocketAddress::parse("127.0.0.1:47123");
  auto first = AddressLock::take(address);
  EXPECT_TRUE(first.has_value());
  const auto second = AddressLock::take(address);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find("127.0.0.1:47123"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::net
