// The floor of the gateway benchmark: what the kernel alone costs a proxy. It passes on whatever one read
// gives, unparsed, with the same system calls as a gateway in its best case: per request two reads and two
// sends, and edge-triggered epoll waits shared by all that is ready.
//
//   bench_relay PORT BACKEND_PORT     127.0.0.1 only; until SIGTERM
//
// Right only for the benchmark: messages that fit one segment, one request at a time per connection.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../loopback.hpp"

namespace {

struct Peer {
  int fd = -1;
  bool upstream = false;
  Peer* other = nullptr;  // whom this request or answer is for; null while idle
};

class Relay {
 public:
  Relay(int listener, int backend_port)
      : listener_(listener), backend_(flotilla::bench::loopback(backend_port)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        if (event.data.ptr == nullptr) {
          accept_all();
        } else if ((event.events & EPOLLIN) != 0) {
          pass_on(*static_cast<Peer*>(event.data.ptr));
        }
      }
    }
  }

 private:
  Peer& add(int fd, bool upstream) {
    Peer& peer = *peers_.emplace(fd, std::make_unique<Peer>(Peer{fd, upstream, nullptr})).first->second;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &peer;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    return peer;
  }

  void accept_all() {
    for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      add(fd, false);
    }
  }

  Peer* take_upstream() {
    if (!idle_.empty()) {
      Peer* const peer = idle_.back();
      idle_.pop_back();
      return peer;
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&backend_), sizeof backend_) != 0) {
      close(fd);
      return nullptr;
    }
    return &add(fd, true);
  }

  void pass_on(Peer& from) {
    const ssize_t got = recv(from.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got <= 0) {
      drop(from);
      return;
    }
    Peer* const to = from.upstream ? from.other : take_upstream();
    if (to == nullptr) {
      drop(from);
      return;
    }
    (void)send(to->fd, buffer_.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
    if (from.upstream) {
      from.other = nullptr;
      idle_.push_back(&from);
    } else {
      to->other = &from;
    }
  }

  // Clients leave between requests, at the end of a measurement; services do not leave.
  void drop(Peer& peer) {
    if (!peer.upstream) {
      for (auto& [fd, other] : peers_) {
        if (other->other == &peer) {
          other->other = nullptr;
        }
      }
      close(peer.fd);
      peers_.erase(peer.fd);  // it had its one event of this turn
    }
  }

  int listener_;
  sockaddr_in backend_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::unordered_map<int, std::unique_ptr<Peer>> peers_;
  std::vector<Peer*> idle_;
  std::array<char, 65536> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s PORT BACKEND_PORT\n", argv[0]);
    return 2;
  }
  const int listener = flotilla::bench::listen_on(flotilla::bench::parse(argv[1], 0));
  if (listener < 0) {
    return 1;
  }
  Relay(listener, flotilla::bench::parse(argv[2], 0)).run();
}
