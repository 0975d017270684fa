// A scope owns coroutines that run on their own (a connection each, a branch each) and outlives them.
//
// spawn() starts a task at once; it leaves the scope when it ends. cancel() destroys one, the destructor
// destroys all: so a child never outlives its parent. join() waits until none is left.
// Ownership: tasks belong to the scope. Threads: one loop. Limits: the number is the caller's to bound
// (size()). A task must not cancel itself or destroy its own scope.
#pragma once

#include <coroutine>
#include <cstddef>

#include "flotilla/net/event.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::net {

class Scope {
  struct Link {
    Link* prev = this;
    Link* next = this;
  };

 public:
  // Names a spawned task; valid until that task has ended.
  class Child;

  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { cancel_all(); }

  // The Child is null when the task ended at once.
  Child spawn(Task<> task);
  void cancel(Child child) noexcept;
  void cancel_all() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  Task<> join() {
    while (size_ > 0) {
      co_await emptied_.wait();
    }
  }

 private:
  struct Root;
  static Root run(Scope& scope, Task<> task);

  Link children_;
  std::size_t size_ = 0;
  Event emptied_;
};

struct Scope::Root {
  struct promise_type : Link {
    static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* memory, std::size_t bytes) noexcept {
      frame_pool::release(memory, bytes);
    }
    promise_type(Scope& owner, const Task<>&) noexcept : scope(owner) {
      prev = scope.children_.prev;
      next = &scope.children_;
      prev->next = this;
      next->prev = this;
      ++scope.size_;
    }
    promise_type(const promise_type&) = delete;
    promise_type& operator=(const promise_type&) = delete;
    ~promise_type() {
      prev->next = next;
      next->prev = prev;
      if (--scope.size_ == 0) {
        scope.emptied_.set();
      }
    }
    Root get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }  // the frame deletes itself
    void return_void() noexcept {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
    Scope& scope;
  };
  std::coroutine_handle<promise_type> handle;
};

class Scope::Child {
 public:
  Child() = default;
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

 private:
  friend class Scope;
  explicit Child(std::coroutine_handle<Root::promise_type> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<Root::promise_type> handle_;
};

inline Scope::Root Scope::run(Scope&, Task<> task) { co_await task; }

inline Scope::Child Scope::spawn(Task<> task) {
  const Root root = run(*this, std::move(task));
  // The frame is gone after resume() if the task ended at once; the list tells.
  const Link* const node = &root.handle.promise();
  root.handle.resume();
  for (const Link* link = children_.prev; link != &children_; link = link->prev) {
    if (link == node) {
      return Child(root.handle);
    }
  }
  return Child();
}

inline void Scope::cancel(Child child) noexcept { child.handle_.destroy(); }

inline void Scope::cancel_all() noexcept {
  while (children_.next != &children_) {
    std::coroutine_handle<Root::promise_type>::from_promise(*static_cast<Root::promise_type*>(children_.next))
        .destroy();
  }
}

}  // namespace flotilla::net
