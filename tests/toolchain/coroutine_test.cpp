// Canaries for two faults of g++ before 14, either of which makes coroutines unusable: whoever allows
// another compiler in cmake/Toolchain.cmake learns here, not in production, whether it has them.
#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

namespace {

// Starts at once, runs to the end without suspending for good, and owns its frame.
struct Eager {
  struct promise_type {
    Eager get_return_object() { return Eager(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  explicit Eager(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Eager(Eager&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Eager& operator=(Eager&&) = delete;
  ~Eager() {
    if (handle_) {
      handle_.destroy();
    }
  }

  void resume() { handle_.resume(); }
  bool done() const { return handle_.done(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

// Suspends, and gives `value` when resumed.
template <class T>
struct Suspended {
  T value;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { static_cast<void>(handle); }
  T await_resume() { return std::move(value); }
};

// GCC bug 106188: with no variable declared in the outermost block, the flag that a condition is
// promoted to takes the place of the frame's resume pointer, and the body never runs.
Eager count_in_conditions(int& ran) {
  if (co_await Suspended<bool>{true}) {
    ++ran;
  }
  while (co_await Suspended<bool>{ran < 3}) {
    ++ran;
  }
  for (; co_await Suspended<bool>{ran < 5};) {
    ++ran;
  }
  switch (co_await Suspended<int>{ran}) {
    case 5:
      ++ran;
      break;
    default:
      break;
  }
}

TEST(CoroutineToolchain, AwaitsInConditionsWithoutALocalVariable) {
  int ran = 0;
  Eager task = count_in_conditions(ran);
  for (int resumed = 0; !task.done() && resumed < 100; ++resumed) {
    task.resume();
  }
  EXPECT_TRUE(task.done());
  EXPECT_EQ(ran, 6);
}

struct Lives {
  int made = 0;
  int destroyed = 0;
};

// Counts every construction and destruction, moves included.
class Counted {
 public:
  explicit Counted(Lives& lives) : lives_(&lives) { ++lives_->made; }
  Counted(const Counted& other) : lives_(other.lives_) { ++lives_->made; }
  Counted(Counted&& other) noexcept : lives_(other.lives_) { ++lives_->made; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&&) = default;
  ~Counted() { ++lives_->destroyed; }

 private:
  Lives* lives_;
};

struct Aggregate {
  Counted counted;
  std::unique_ptr<int> owned;
};

template <class T>
Suspended<int> take(T taken) {
  static_cast<void>(taken);
  return {7};
}

Eager await_temporaries(Lives& lives, int& sum) {
  for (int round = 0; round < 10; ++round) {
    sum += co_await take(Aggregate{Counted(lives), std::make_unique<int>(1)});
    sum += co_await take(Aggregate{.counted = Counted(lives), .owned = nullptr});
    sum += co_await take(
        [counted = Counted(lives), owned = std::make_unique<int>(2)] { static_cast<void>(counted); });
    sum += co_await Suspended<int>{[named = Counted(lives)] {
      static_cast<void>(named);
      return 7;
    }()};
  }
}

// The second fault: an aggregate or a capturing lambda passed by value inside the awaited expression
// is destroyed twice, so what it owns is freed twice.
TEST(CoroutineToolchain, DestroysTemporariesOfAnAwaitedExpressionOnce) {
  Lives lives;
  int sum = 0;
  {
    Eager task = await_temporaries(lives, sum);
    for (int resumed = 0; !task.done() && resumed < 100; ++resumed) {
      task.resume();
    }
    EXPECT_TRUE(task.done());
  }
  EXPECT_EQ(sum, 280);
  EXPECT_GE(lives.made, 40);
  EXPECT_EQ(lives.made, lives.destroyed);
}

}  // namespace
