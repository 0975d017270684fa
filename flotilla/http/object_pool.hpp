// Reuse of objects whose memory is worth keeping (heads with their tables, request buffers), per loop.
//
// Ownership: take() gives a handle that returns the object when destroyed; the pool must outlive its
// handles. Threads: one loop. Limits: keeps at most kKept idle objects, the rest are deleted.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace flotilla::http {

template <class T>
class ObjectPool {
 public:
  static constexpr std::size_t kKept = 1024;

  class Handle {
   public:
    Handle() = default;
    Handle(ObjectPool& pool, std::unique_ptr<T> object) noexcept : pool_(&pool), object_(std::move(object)) {}
    Handle(Handle&&) noexcept = default;
    Handle& operator=(Handle&& other) noexcept {
      if (this != &other) {
        reset();
        pool_ = other.pool_;
        object_ = std::move(other.object_);
      }
      return *this;
    }
    ~Handle() { reset(); }
    void reset() noexcept {
      if (object_) {
        pool_->give_back(std::move(object_));
      }
    }
    T* operator->() const noexcept { return object_.get(); }
    T& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

   private:
    ObjectPool* pool_ = nullptr;
    std::unique_ptr<T> object_;
  };

  [[nodiscard]] Handle take() {
    if (idle_.empty()) {
      return Handle(*this, std::make_unique<T>());
    }
    Handle handle(*this, std::move(idle_.back()));
    idle_.pop_back();
    return handle;
  }

 private:
  void give_back(std::unique_ptr<T> object) noexcept {
    object->clear();
    if (idle_.size() < kKept) {
      idle_.push_back(std::move(object));
    }
  }
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace flotilla::http
