#include "flotilla/net/resolver.hpp"

#include <gtest/gtest.h>

#include "flotilla/net/scope.hpp"

namespace flotilla::net {
namespace {

using namespace std::chrono_literals;

template <class Body>
void with_resolver(Body body) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop.has_value());
  auto resolver = Resolver::create(**loop);
  ASSERT_TRUE(resolver.has_value());
  Scope scope;
  auto main = [](Loop& l, Resolver& r, Body& b) -> Task<> {
    co_await b(l, r);
    l.stop();
  };
  (*loop)->post([&] { scope.spawn(main(**loop, **resolver, body)); });
  (*loop)->run();
}

TEST(Resolver, AnswersLiteralsAndLocalhostAtOnce) {
  with_resolver([](Loop& loop, Resolver& resolver) -> Task<> {
    EXPECT_EQ((*co_await resolver.resolve("192.0.2.7", 80, loop.now()))[0].to_string(), "192.0.2.7:80");
    EXPECT_EQ((*co_await resolver.resolve("::1", 81, loop.now()))[0].to_string(), "[::1]:81");
    EXPECT_EQ((*co_await resolver.resolve("localhost", 82, loop.now()))[0].to_string(), "127.0.0.1:82");
  });
}

TEST(Resolver, SaysThatANameDoesNotExistOrCannotBeAsked) {
  with_resolver([](Loop& loop, Resolver& resolver) -> Task<> {
    const auto answer = co_await resolver.resolve("no-such-host.invalid", 80, loop.now() + 10s);
    EXPECT_FALSE(answer.has_value());
    EXPECT_NE(answer.error().message.find("no-such-host.invalid"), std::string::npos);
  });
}

TEST(Resolver, AnAbandonedLookupIsHarmless) {
  with_resolver([](Loop& loop, Resolver& resolver) -> Task<> {
    {
      Scope scope;
      auto lookup = [](Resolver& r, Instant deadline) -> Task<> {
        (void)co_await r.resolve("no-such-host.invalid", 80, deadline);
      };
      scope.spawn(lookup(resolver, loop.now() + 10s));
    }
    co_await sleep_for(loop, 20ms);
  });
}

}  // namespace
}  // namespace flotilla::net
