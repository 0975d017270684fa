#include "flotilla/net/listener.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "flotilla/base/log.hpp"

namespace flotilla::net {

Result<AddressLock> AddressLock::take(const SocketAddress& address) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return fail(Errc::io, fmt::format("cannot lock {}: {}", address.to_string(), std::strerror(errno)));
  }
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  // A leading NUL makes the name abstract: it lives exactly as long as the socket.
  const std::string text = "flotilla-listen-" + address.to_string();
  std::memcpy(name.sun_path + 1, text.data(), text.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), length) != 0) {
    const int error = errno;
    ::close(fd);
    if (error == EADDRINUSE) {
      return fail(Errc::conflict,
                  fmt::format("another flotilla process listens on {}: stop it, or choose another port",
                              address.to_string()));
    }
    return fail(Errc::io, fmt::format("cannot lock {}: {}", address.to_string(), std::strerror(error)));
  }
  return AddressLock(fd);
}

AddressLock::AddressLock(AddressLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
AddressLock& AddressLock::operator=(AddressLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
AddressLock::~AddressLock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const SocketAddress& address, std::size_t most,
                                                 OnAccept on_accept) {
  const auto refuse = [&address](int fd) {
    const int error = errno;
    if (fd >= 0) {
      ::close(fd);
    }
    return fail(error == EADDRINUSE ? Errc::conflict : Errc::io,
                fmt::format("cannot listen on {}: {}", address.to_string(), std::strerror(error)));
  };
  const int fd =
      ::socket(address.is_ipv6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return refuse(fd);
  }
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  sockaddr_storage storage{};
  const socklen_t length = address.to_system(storage);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 || ::listen(fd, kBacklog) != 0) {
    return refuse(fd);
  }
  return std::unique_ptr<Listener>(new Listener(loop, fd, most, std::move(on_accept)));
}

Listener::Listener(Loop& loop, int fd, std::size_t most, OnAccept on_accept)
    : loop_(loop),
      fd_(fd),
      most_(most),
      retry_([](void* self) { static_cast<Listener*>(self)->resume(); }, this),
      on_accept_(std::move(on_accept)) {
  FLOTILLA_ASSERT(loop_.watch(fd_, EPOLLIN, *this));
}

Listener::~Listener() { close(); }

SocketAddress Listener::address() const noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length);
  return SocketAddress::from_system(reinterpret_cast<const sockaddr*>(&storage), length);
}

bool Listener::accept_one() {
  for (;;) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Channel channel(loop_, fd);
      if (channel) {
        ++connections_;
        on_accept_(std::move(channel));
      }
      return true;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log::warning("accepting on {} pauses: {}", address().to_string(), std::strerror(errno));
      pause(true);
    }
    return false;
  }
}

void Listener::on_events(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && !paused_ && fd_ >= 0; ++i) {
    if (connections_ >= most_) {
      pause(false);
      return;
    }
    if (!accept_one()) {
      return;
    }
  }
}

void Listener::connection_gone() noexcept {
  --connections_;
  if (paused_ && fd_ >= 0 && retry_.deadline() == kNever && connections_ < most_) {
    resume();
  }
}

void Listener::pause(bool retry) noexcept {
  paused_ = true;
  loop_.rewatch(fd_, 0, *this);
  if (retry) {
    loop_.arm(retry_, loop_.now() + kRetry);
  }
}

void Listener::resume() noexcept {
  if (fd_ >= 0) {
    paused_ = false;
    loop_.rewatch(fd_, EPOLLIN, *this);
  }
}

void Listener::close() {
  if (fd_ < 0) {
    return;
  }
  while (connections_ < most_ && accept_one()) {
  }
  loop_.unwatch(fd_);
  ::close(std::exchange(fd_, -1));
}

}  // namespace flotilla::net
