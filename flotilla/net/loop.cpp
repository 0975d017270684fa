#include "flotilla/net/loop.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::net {
namespace {

constexpr int kEventsPerTurn = 256;
thread_local Loop* current_loop = nullptr;

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kLinesFetched = 4;  // a channel's state, or the head of a coroutine's frame

// What cannot be read any more is ignored by the processor.
void prefetch(const void* at) noexcept {
  if (at == nullptr) {
    return;
  }
  for (std::size_t line = 0; line < kLinesFetched; ++line) {
    __builtin_prefetch(static_cast<const char*>(at) + line * kCacheLine);
  }
}

}  // namespace

class Loop::Wakeup final : public EventSource {
 public:
  explicit Wakeup(int fd) : fd_(fd) {}
  ~Wakeup() override { ::close(fd_); }
  void on_events(std::uint32_t) override {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof count);
  }
  void signal() const noexcept {
    const std::uint64_t one = 1;
    (void)!::write(fd_, &one, sizeof one);  // full means it is signalled already
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

Result<std::unique_ptr<Loop>> Loop::create() {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) {
    return fail(Errc::io, fmt::format("cannot create an epoll instance: {}", std::strerror(errno)));
  }
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    const int error = errno;
    ::close(epoll_fd);
    return fail(Errc::io, fmt::format("cannot create an eventfd: {}", std::strerror(error)));
  }
  return std::unique_ptr<Loop>(new Loop(epoll_fd, wake_fd));
}

Loop::Loop(int epoll_fd, int wake_fd)
    : epoll_fd_(epoll_fd),
      wakeup_(std::make_unique<Wakeup>(wake_fd)),
      now_(monotonic_now()),
      wheel_(now_),
      read_buffer_(new char[kReadBufferSize]) {
  ready_.prev_ = ready_.next_ = &ready_;
  FLOTILLA_ASSERT(watch(wake_fd, EPOLLIN, *wakeup_));
}

Loop::~Loop() {
  retired_.clear();
  ::close(epoll_fd_);
  ready_.prev_ = ready_.next_ = nullptr;
}

Loop* Loop::current() noexcept { return current_loop; }

int Loop::wait_millis() const noexcept {
  if (ready_.next_ != &ready_ || turn_ends_ != nullptr) {
    return 0;
  }
  const auto wait = wheel_.next_wait(now_);
  if (!wait) {
    return -1;
  }
  return static_cast<int>((*wait + Millis(1) - Duration(1)) / Millis(1));
}

void Loop::run() {
  Loop* const outer = std::exchange(current_loop, this);
  std::array<epoll_event, kEventsPerTurn> events;
  now_ = monotonic_now();
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = ::epoll_wait(epoll_fd_, events.data(), kEventsPerTurn, wait_millis());
    now_ = monotonic_now();
    serve(std::span(events).first(static_cast<std::size_t>(std::max(count, 0))));
    if (has_posted_.load(std::memory_order_acquire)) {
      run_posted();
    }
    resume_ready();
    end_turn();
    wheel_.advance(now_);
    retired_.clear();
  }
  stopping_.store(false, std::memory_order_relaxed);
  current_loop = outer;
}

// A source is fetched two events ahead, what it will resume one event ahead (its address stands in the
// source).
void Loop::serve(std::span<const epoll_event> events) {
  const auto source_of = [](const epoll_event& event) { return static_cast<EventSource*>(event.data.ptr); };
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i + 2 < events.size()) {
      prefetch(source_of(events[i + 2]));
    }
    if (i + 1 < events.size()) {
      prefetch(source_of(events[i + 1])->touched_next_);
    }
    source_of(events[i])->on_events(events[i].events);
  }
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  wakeup_->signal();
}

void Loop::post(std::move_only_function<void()> function) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(function));
  }
  if (!has_posted_.exchange(true, std::memory_order_acq_rel)) {
    wakeup_->signal();
  }
}

void Loop::run_posted() {
  std::vector<std::move_only_function<void()>> functions;
  has_posted_.store(false, std::memory_order_release);
  {
    const std::lock_guard lock(posted_mutex_);
    functions.swap(posted_);
  }
  for (auto& function : functions) {
    function();
  }
}

void Loop::make_ready(ReadyNode& node, std::coroutine_handle<> handle) noexcept {
  FLOTILLA_ASSERT(node.prev_ == nullptr);
  node.handle_ = handle;
  node.prev_ = ready_.prev_;
  node.next_ = &ready_;
  ready_.prev_->next_ = &node;
  ready_.prev_ = &node;
}

// Resumes what was ready when it began: a coroutine that makes itself ready again waits a turn, so
// events are never starved.
void Loop::resume_ready() {
  ReadyNode fence;
  make_ready(fence, nullptr);
  while (ready_.next_ != &fence) {
    ReadyNode* node = ready_.next_;
    node->unlink();
    node->handle_.resume();
  }
}

void Loop::at_turn_end(TurnEnd& end) noexcept {
  if (end.place_ != nullptr) {
    return;
  }
  end.place_ = &turn_ends_;
  end.next_ = turn_ends_;
  if (end.next_ != nullptr) {
    end.next_->place_ = &end.next_;
  }
  turn_ends_ = &end;
}

void Loop::end_turn() noexcept {
  while (turn_ends_ != nullptr) {
    TurnEnd& end = *turn_ends_;
    end.unlink();
    end.call_(end.context_);
  }
}

bool Loop::watch(int fd, std::uint32_t events, EventSource& source) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::rewatch(int fd, std::uint32_t events, EventSource& source) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
}

void Loop::unwatch(int fd) noexcept { ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

void Loop::retire(std::unique_ptr<EventSource> source) { retired_.push_back(std::move(source)); }

}  // namespace flotilla::net
