#include "flotilla/net/channel.hpp"

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace flotilla::net {
namespace detail {

namespace {
constexpr std::uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
// Unsent bytes that were sent are cut off the front only when they are this many: moving costs.
constexpr std::size_t kCompactAbove = std::size_t{64} * 1024;
}  // namespace

ChannelState::ChannelState(Loop& owner, int socket) noexcept
    : loop(owner),
      fd(socket),
      timer([](void* self) { static_cast<ChannelState*>(self)->on_deadline(); }, this) {
  if (!loop.watch(fd, kEdges, *this)) {
    ::close(std::exchange(fd, -1));
    broken = IoError::exhausted;
  }
}

ChannelState::~ChannelState() { close(); }

void ChannelState::close() noexcept {
  if (fd >= 0) {
    ::close(std::exchange(fd, -1));  // leaves the epoll set with its last descriptor
  }
  reader = drainer = nullptr;
  watcher = nullptr;
  timer.disarm();
}

void ChannelState::on_events(std::uint32_t events) {
  if (fd < 0) {
    return;  // closed by an earlier event of this turn
  }
  const bool was_up = !hung_up && !broken;
  if ((events & EPOLLOUT) != 0) {
    connected = true;
    if (unsent() > 0) {
      flush();
    }
  }
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) {
    hung_up = true;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable = true;
  }
  if ((events & EPOLLERR) != 0 && !broken) {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      broken = io_error_of(error);
    }
  }
  if (drainer && (broken || (connected && unsent() <= drain_to))) {
    std::exchange(drainer, nullptr).resume();  // may close this channel
    if (fd < 0) {
      return;
    }
  }
  if (reader) {
    if (try_receive(*received)) {
      std::exchange(reader, nullptr).resume();
    }
  } else if (watcher != nullptr && ((was_up && hung_up) || broken || (watch_data && readable))) {
    std::exchange(watcher, nullptr)(watcher_context);
  }
}

bool ChannelState::try_receive(Received& result) noexcept {
  if (!readable) {
    if (broken) {
      result = std::unexpected(*broken);
      return true;
    }
    return false;
  }
  const std::span<char> buffer = loop.read_buffer();
  for (;;) {
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count >= 0) {
      // A short read has emptied the socket: an edge will tell of more. After a hang-up only the end
      // is left, and no edge will come for it.
      hung_up = hung_up || count == 0;
      readable = static_cast<std::size_t>(count) == buffer.size() || hung_up;
      // Reading the socket's error (on_events) clears it: what follows then looks like an end, and is none.
      if (count == 0 && broken) {
        result = std::unexpected(*broken);
      } else {
        result = std::string_view(buffer.data(), static_cast<std::size_t>(count));
      }
      return true;
    }
    if (errno == EINTR) {
      continue;
    }
    readable = false;
    if (errno == EAGAIN) {
      return false;
    }
    broken = io_error_of(errno);
    result = std::unexpected(*broken);
    return true;
  }
}

void ChannelState::keep(std::string_view bytes) {
  if (out_sent_ >= kCompactAbove) {
    out_.erase(0, out_sent_);
    out_sent_ = 0;
  }
  out_.append(bytes);
}

void ChannelState::send(std::string_view first, std::string_view second) noexcept {
  if (broken) {
    return;
  }
  if (unsent() > 0) {
    keep(first);
    keep(second);
    return;
  }
  ssize_t count = 0;
  do {
    if (second.empty()) {
      count = ::send(fd, first.data(), first.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      // iovec takes a non-const pointer for reading too.
      std::array<iovec, 2> parts{iovec{const_cast<char*>(first.data()), first.size()},
                                 iovec{const_cast<char*>(second.data()), second.size()}};
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = parts.size();
      count = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (errno != EAGAIN) {
      broken = io_error_of(errno);
      return;
    }
    count = 0;
  }
  auto sent = static_cast<std::size_t>(count);
  if (sent < first.size()) {
    keep(first.substr(sent));
    sent = first.size();
  }
  if (sent - first.size() < second.size()) {
    keep(second.substr(sent - first.size()));
  }
}

void ChannelState::flush() noexcept {
  while (unsent() > 0) {
    const ssize_t count = ::send(fd, out_.data() + out_sent_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno != EAGAIN) {
        broken = io_error_of(errno);
      }
      return;
    }
    out_sent_ += static_cast<std::size_t>(count);
  }
  out_sent_ = 0;
  std::string().swap(out_);  // no buffer while idle
}

void ChannelState::on_deadline() noexcept {
  if (!reader && !drainer) {
    return;
  }
  timed_out = true;
  const auto waiting = reader ? std::exchange(reader, nullptr) : std::exchange(drainer, nullptr);
  waiting.resume();
}

void ChannelState::interrupt(IoError error) noexcept {
  broken = error;
  readable = false;
  if (reader) {
    *received = std::unexpected(error);
    loop.make_ready(*reader_node, std::exchange(reader, nullptr));
  }
}

}  // namespace detail

Channel::Channel(Loop& loop, int fd) : state_(std::make_unique<detail::ChannelState>(loop, fd)) {
  if (state_->fd < 0) {
    state_.reset();
  }
}

Channel& Channel::operator=(Channel&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Channel::close() noexcept {
  if (state_) {
    state_->close();
    Loop& loop = state_->loop;
    loop.retire(std::move(state_));
  }
}

void Channel::abort() noexcept {
  if (state_ && state_->fd >= 0) {
    const linger reset{1, 0};
    ::setsockopt(state_->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close();
}

void Channel::shutdown_send() noexcept { ::shutdown(state_->fd, SHUT_WR); }

void Channel::watch(void (*watcher)(void*), void* context, bool data) noexcept {
  state_->watcher = watcher;
  state_->watcher_context = context;
  state_->watch_data = data;
}

namespace {
SocketAddress name_of(int fd, int (*get)(int, sockaddr*, socklen_t*)) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (get(fd, address, &length) != 0) {
    return {};
  }
  return SocketAddress::from_system(address, length);
}
}  // namespace

SocketAddress Channel::peer() const noexcept {
  return name_of(state_->fd, [](int fd, sockaddr* a, socklen_t* l) { return ::getpeername(fd, a, l); });
}
SocketAddress Channel::local() const noexcept {
  return name_of(state_->fd, [](int fd, sockaddr* a, socklen_t* l) { return ::getsockname(fd, a, l); });
}

bool Channel::RecvAwaiter::await_suspend(std::coroutine_handle<> handle) noexcept {
  FLOTILLA_ASSERT(!state_.reader);
  if (state_.deadline <= state_.loop.now()) {
    state_.timed_out = true;
    return false;
  }
  state_.wait_with(handle);
  state_.received = &result_;
  state_.reader_node = &ready_;
  waiting_ = true;
  state_.arm_deadline();
  return true;
}

Channel::Received Channel::RecvAwaiter::await_resume() noexcept {
  waiting_ = false;
  if (std::exchange(state_.timed_out, false)) {
    return std::unexpected(IoError::timeout);
  }
  return result_;
}

bool Channel::DrainAwaiter::await_suspend(std::coroutine_handle<> handle) noexcept {
  FLOTILLA_ASSERT(!state_.drainer);
  if (state_.deadline <= state_.loop.now()) {
    state_.timed_out = true;
    return false;
  }
  state_.drainer = handle;
  state_.drain_to = low_;
  waiting_ = true;
  state_.arm_deadline();
  return true;
}

std::expected<void, IoError> Channel::DrainAwaiter::await_resume() noexcept {
  waiting_ = false;
  if (std::exchange(state_.timed_out, false)) {
    return std::unexpected(IoError::timeout);
  }
  if (state_.broken) {
    return std::unexpected(*state_.broken);
  }
  return {};
}

namespace {

// Waits for the edge that ends a non-blocking connect: the same edge a drain waits for.
class ConnectAwaiter {
 public:
  explicit ConnectAwaiter(detail::ChannelState& state) noexcept : state_(state) {}
  ConnectAwaiter(const ConnectAwaiter&) = delete;
  ConnectAwaiter& operator=(const ConnectAwaiter&) = delete;
  ~ConnectAwaiter() {
    if (waiting_) {
      state_.drainer = nullptr;
    }
  }
  bool await_ready() const noexcept { return state_.connected; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    state_.drainer = handle;
    waiting_ = true;
    state_.arm_deadline();
  }
  void await_resume() noexcept { waiting_ = false; }

 private:
  detail::ChannelState& state_;
  bool waiting_ = false;
};

}  // namespace

Task<std::expected<Channel, IoError>> connect(Loop& loop, SocketAddress address, Instant deadline) {
  const int fd =
      ::socket(address.is_ipv6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    co_return std::unexpected(io_error_of(errno));
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t length = address.to_system(storage);
  const bool done = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
  if (!done && errno != EINPROGRESS) {
    const IoError error = io_error_of(errno);
    ::close(fd);
    co_return std::unexpected(error);
  }
  Channel channel(loop, fd);
  if (!channel) {
    co_return std::unexpected(IoError::exhausted);
  }
  detail::ChannelState& state = *channel.state_;
  state.connected = done;
  state.deadline = deadline;
  co_await ConnectAwaiter(state);
  if (std::exchange(state.timed_out, false)) {
    co_return std::unexpected(IoError::timeout);
  }
  if (state.broken) {
    co_return std::unexpected(*state.broken);
  }
  co_return std::move(channel);
}

}  // namespace flotilla::net
