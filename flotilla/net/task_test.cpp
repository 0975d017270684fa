#include "flotilla/net/task.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::net {
namespace {

using namespace std::chrono_literals;

Task<int> answer() { co_return 42; }
Task<std::string> twice() {
  const int first = co_await answer();
  const int second = co_await answer();
  co_return std::to_string(first + second);
}

// Runs `body` on a fresh loop until it ends.
template <class Body>
void on_loop(Body body) {
  auto loop = Loop::create();
  ASSERT_TRUE(loop.has_value());
  Scope scope;
  auto main = [](Loop& l, Body& b) -> Task<> {
    co_await b(l);
    l.stop();
  };
  (*loop)->post([&] { scope.spawn(main(**loop, body)); });
  (*loop)->run();
}

TEST(Task, ReturnsThroughParents) {
  on_loop([](Loop&) -> Task<> { EXPECT_EQ(co_await twice(), "84"); });
}

TEST(Task, DeepRecursionDoesNotGrowTheStack) {
  struct Deep {
    static Task<int> down(int depth) {
      if (depth == 0) {
        co_return 0;
      }
      co_return 1 + co_await down(depth - 1);
    }
  };
  on_loop([](Loop&) -> Task<> { EXPECT_EQ(co_await Deep::down(100'000), 100'000); });
}

TEST(Task, DestroyingASleeperReleasesWhatItOwns) {
  on_loop([](Loop& loop) -> Task<> {
    auto owned = std::make_shared<int>(1);
    auto sleeper = [](Loop& l, std::shared_ptr<int>) -> Task<> { co_await sleep_for(l, 1h); };
    {
      Scope scope;
      scope.spawn(sleeper(loop, owned));
      EXPECT_EQ(owned.use_count(), 2);
    }
    EXPECT_EQ(owned.use_count(), 1);
    co_return;
  });
}

TEST(Scope, CancelsOneAndJoinsTheRest) {
  on_loop([](Loop& loop) -> Task<> {
    Scope scope;
    int ended = 0;
    auto sleeper = [](Loop& l, Duration d, int& count) -> Task<> {
      co_await sleep_for(l, d);
      ++count;
    };
    const Scope::Child victim = scope.spawn(sleeper(loop, 1h, ended));
    scope.spawn(sleeper(loop, 1ms, ended));
    scope.spawn(sleeper(loop, 5ms, ended));
    EXPECT_FALSE(scope.spawn(sleeper(loop, 0ms, ended)));
    EXPECT_EQ(scope.size(), 3U);
    scope.cancel(victim);
    co_await scope.join();
    EXPECT_EQ(ended, 3);
  });
}

TEST(Event, WakesAllAndTimesOut) {
  on_loop([](Loop& loop) -> Task<> {
    Event event;
    Scope scope;
    int woken = 0;
    int late = 0;
    auto waiter = [](Event& e, Instant deadline, int& yes, int& no) -> Task<> {
      const bool signalled = co_await e.wait(deadline);
      ++(signalled ? yes : no);
    };
    scope.spawn(waiter(event, kNever, woken, late));
    scope.spawn(waiter(event, loop.now() + 1h, woken, late));
    scope.spawn(waiter(event, loop.now() + 1ms, woken, late));
    co_await sleep_for(loop, 20ms);
    event.set();
    co_await scope.join();
    EXPECT_EQ(woken, 2);
    EXPECT_EQ(late, 1);
  });
}

TEST(Event, ADestroyedWaiterIsNotResumed) {
  on_loop([](Loop& loop) -> Task<> {
    Event event;
    int woken = 0;
    auto waiter = [](Event& e, int& count) -> Task<> {
      co_await e.wait();
      ++count;
    };
    Scope scope;
    const Scope::Child child = scope.spawn(waiter(event, woken));
    event.set();  // it is on the ready queue now
    scope.cancel(child);
    co_await sleep_for(loop, 1ms);
    EXPECT_EQ(woken, 0);
  });
}

}  // namespace
}  // namespace flotilla::net
