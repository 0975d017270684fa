// A connected stream socket on a loop: await bytes, send without waiting, await room.
//
//   co_await channel.recv()   the next bytes, valid until the next await of anything; empty at the end
//   channel.send(...)         never suspends: what the kernel does not take is kept; an error shows at the
//                             next recv or drain
//   co_await channel.drain()  suspends only while more than kHighWater unsent bytes are kept
//
// Ownership: a Channel owns its socket; closing it or destroying it is the same. At most one coroutine
// awaits recv and one drain at a time. Destroying the awaiting coroutine is allowed at any time.
// Threads: the loop's. Limits: unsent bytes are bounded by kHighWater plus what one caller sends between
// two drains; deadlines have the wheel's resolution (4 ms).
#pragma once

#include <coroutine>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "flotilla/base/time.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/io_error.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::net {

namespace detail {

// The part of a channel that epoll points to; retired with the loop when the channel closes.
class ChannelState final : public EventSource {
 public:
  ChannelState(Loop& loop, int fd) noexcept;
  ~ChannelState() override;
  void on_events(std::uint32_t events) override;

  using Received = std::expected<std::string_view, IoError>;
  // Reads once if the socket may have something; false when the reader has to wait.
  bool try_receive(Received& result) noexcept;
  void send(std::string_view first, std::string_view second) noexcept;
  void flush() noexcept;
  [[nodiscard]] std::size_t unsent() const noexcept { return out_.size() - out_sent_; }
  void close() noexcept;
  void on_deadline() noexcept;
  void interrupt(IoError error) noexcept;
  void arm_deadline() noexcept { loop.arm(timer, deadline); }
  void wait_with(std::coroutine_handle<> waiting) noexcept {
    reader = waiting;
    touched_next_ = waiting.address();
  }

  Loop& loop;
  int fd;
  bool readable = false;
  bool hung_up = false;  // the peer closed its side: after the bytes comes the end
  bool connected = false;
  bool timed_out = false;
  std::optional<IoError> broken;
  std::coroutine_handle<> reader;
  Received* received = nullptr;      // where the waiting reader wants its bytes
  ReadyNode* reader_node = nullptr;  // of the waiting reader
  std::coroutine_handle<> drainer;
  std::size_t drain_to = 0;
  Instant deadline = kNever;
  Timer timer;
  void (*watcher)(void*) = nullptr;
  void* watcher_context = nullptr;
  bool watch_data = false;

 private:
  void keep(std::string_view bytes);
  std::string out_;
  std::size_t out_sent_ = 0;
};

}  // namespace detail

class Channel {
 public:
  using Received = std::expected<std::string_view, IoError>;
  static constexpr std::size_t kHighWater = std::size_t{256} * 1024;
  static constexpr std::size_t kLowWater = std::size_t{64} * 1024;

  Channel() = default;
  // Takes a connected, non-blocking socket. An invalid channel results when epoll refuses it.
  Channel(Loop& loop, int fd);
  Channel(Channel&& other) noexcept = default;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel() { close(); }

  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
  [[nodiscard]] Loop& loop() const noexcept { return state_->loop; }

  // Applies to the wait in progress and to every later one until changed; kNever for none. One store
  // when nobody waits.
  void set_deadline(Instant deadline) noexcept {
    state_->deadline = deadline;
    if (state_->reader || state_->drainer) {
      state_->arm_deadline();
    }
  }

  [[nodiscard]] auto recv() noexcept { return RecvAwaiter{*state_}; }
  void send(std::string_view first, std::string_view second = {}) noexcept { state_->send(first, second); }
  [[nodiscard]] auto drain() noexcept { return DrainAwaiter{*state_, kHighWater, kLowWater}; }
  // Waits until everything is with the kernel.
  [[nodiscard]] auto flush() noexcept { return DrainAwaiter{*state_, 0, 0}; }
  [[nodiscard]] std::size_t unsent() const noexcept { return state_->unsent(); }

  // Calls `watcher` once when the peer hangs up (or, with `data`, also sends) while nobody awaits recv.
  // The watcher may destroy the channel. nullptr takes the watch away.
  void watch(void (*watcher)(void*), void* context, bool data = false) noexcept;
  // Whether the peer is known to have closed, or sent what nobody has read: an idle pooled connection
  // in that state is not usable.
  [[nodiscard]] bool stale() const noexcept { return state_->readable || state_->hung_up || state_->broken; }

  // Breaks the connection from another coroutine: whoever awaits recv is resumed, later in this turn, with
  // `error`, and so is everyone after.
  void interrupt(IoError error) noexcept { state_->interrupt(error); }
  void shutdown_send() noexcept;
  // Closes with a reset instead of a goodbye: the peer cannot mistake it for a complete answer.
  void abort() noexcept;
  void close() noexcept;

  [[nodiscard]] SocketAddress peer() const noexcept;
  [[nodiscard]] SocketAddress local() const noexcept;

  class RecvAwaiter {
   public:
    explicit RecvAwaiter(detail::ChannelState& state) noexcept : state_(state) {}
    RecvAwaiter(const RecvAwaiter&) = delete;
    RecvAwaiter& operator=(const RecvAwaiter&) = delete;
    ~RecvAwaiter() {
      if (waiting_) {
        state_.reader = nullptr;
      }
    }
    bool await_ready() noexcept { return state_.try_receive(result_); }
    bool await_suspend(std::coroutine_handle<> handle) noexcept;
    Received await_resume() noexcept;

   private:
    detail::ChannelState& state_;
    Received result_;
    ReadyNode ready_;
    bool waiting_ = false;
  };

  class DrainAwaiter {
   public:
    DrainAwaiter(detail::ChannelState& state, std::size_t high, std::size_t low) noexcept
        : state_(state), high_(high), low_(low) {}
    DrainAwaiter(const DrainAwaiter&) = delete;
    DrainAwaiter& operator=(const DrainAwaiter&) = delete;
    ~DrainAwaiter() {
      if (waiting_) {
        state_.drainer = nullptr;
      }
    }
    bool await_ready() const noexcept { return state_.unsent() <= high_ || state_.broken.has_value(); }
    bool await_suspend(std::coroutine_handle<> handle) noexcept;
    std::expected<void, IoError> await_resume() noexcept;

   private:
    detail::ChannelState& state_;
    std::size_t high_;
    std::size_t low_;
    bool waiting_ = false;
  };

 private:
  friend Task<std::expected<Channel, IoError>> connect(Loop& loop, SocketAddress address, Instant deadline);
  std::unique_ptr<detail::ChannelState> state_;
};

// A connection to `address` before `deadline`. The socket has TCP_NODELAY.
[[nodiscard]] Task<std::expected<Channel, IoError>> connect(Loop& loop, SocketAddress address,
                                                            Instant deadline);

}  // namespace flotilla::net
