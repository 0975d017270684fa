// Task<T>: a lazy coroutine that is awaited once, by one parent.
//
// A task starts when it is awaited and resumes its parent when it ends (symmetric transfer: no stack
// grows). Destroying a Task that is suspended cancels it: every awaiter of this folder takes itself out
// of whatever it waits for in its destructor, and everything a task owns is released on the way out. That
// is the only cancellation there is (docs/adr/0004).
// Ownership: the Task object owns the frame. Threads: a task lives and ends on one loop's thread.
// Exceptions do not cross a task: one that escapes stops the program, it is a bug.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/frame_pool.hpp"

namespace flotilla::net {

template <class T = void>
class Task;

namespace detail {

class PromiseBase {
 public:
  // Frames come from the thread's pool (io-lab rule 4).
  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { frame_pool::release(memory, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct ResumeParent {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept { return parent; }
      void await_resume() noexcept {}
      std::coroutine_handle<> parent;
    };
    return ResumeParent{parent_};
  }
  [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  void set_parent(std::coroutine_handle<> parent) noexcept { parent_ = parent; }

 private:
  std::coroutine_handle<> parent_ = std::noop_coroutine();
};

template <class T>
class Promise : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { destroy(); }

  auto operator co_await() noexcept {
    struct Awaiter {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
        handle.promise().set_parent(parent);
        return handle;
      }
      T await_resume() { return handle.promise().take(); }
      Handle handle;
    };
    FLOTILLA_ASSERT(handle_);
    return Awaiter{handle_};
  }

 private:
  friend promise_type;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  void destroy() noexcept {
    if (handle_) {
      std::exchange(handle_, nullptr).destroy();
    }
  }
  Handle handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace flotilla::net
