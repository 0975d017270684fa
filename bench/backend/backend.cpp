// The backend of the benchmarks: a bare HTTP/1.1 server on one epoll loop that answers every request
// with the same JSON, as cheaply as possible, so that what is measured is the proxy in front of it.
//
//   bench_backend PORT [BODY_BYTES [DELAY_MS]]     127.0.0.1 only; until SIGTERM
//
// It understands just enough: requests without a body, keep-alive, pipelining. DELAY_MS holds each
// answer back (one delay for all, so a queue in order of arrival is in order of time).
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../loopback.hpp"

namespace {

using flotilla::bench::listen_on;
using flotilla::bench::parse;

using Clock = std::chrono::steady_clock;

struct Connection {
  std::string head;      // of a request that is not complete yet
  std::uint64_t id = 0;  // descriptors are reused; ids are not
};

struct Due {
  Clock::time_point at;
  int fd;
  std::uint64_t id;
};

std::string make_answer(int body_bytes) {
  std::string body = R"({"id":"42","name":"Ada Lovelace","status":"active","note":")";
  constexpr std::string_view kEnd = "\"}";
  const auto wanted = static_cast<std::size_t>(body_bytes);
  if (body.size() + kEnd.size() < wanted) {
    body.append(wanted - body.size() - kEnd.size(), 'x');
  }
  body += kEnd;
  return "HTTP/1.1 200 OK\r\nServer: backend\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class Server {
 public:
  Server(int listener, int body_bytes, int delay_ms)
      : listener_(listener), answer_(make_answer(body_bytes)), delay_(std::chrono::milliseconds(delay_ms)) {}

  [[noreturn]] void run() {
    watch(listener_, EPOLLIN);
    std::array<epoll_event, 256> events{};
    for (;;) {
      const std::optional<timespec> wait = next_wait();
      const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                     wait ? &*wait : nullptr, nullptr);
      for (int i = 0; i < count; ++i) {
        const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
        if (fd == listener_) {
          accept_all();
        } else {
          receive(fd);
        }
      }
      send_due();
    }
  }

 private:
  void watch(int fd, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      connections_[fd] = Connection{.head = {}, .id = ++last_id_};
      watch(fd, EPOLLIN);
    }
  }

  void receive(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
      if (got == 0 || errno != EAGAIN) {
        connections_.erase(fd);
        close(fd);
      }
      return;
    }
    Connection& connection = connections_[fd];
    connection.head.append(buffer_.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = connection.head.find("\r\n\r\n")) != std::string::npos;) {
      connection.head.erase(0, end + 4);
      if (delay_.count() == 0) {
        send_answer(fd);
      } else {
        due_.push_back({Clock::now() + delay_, fd, connection.id});
      }
    }
  }

  // The answer is smaller than any socket's buffer and clients read it before they ask again, so a
  // short write means a client that is not one of the benchmark's: it loses the connection.
  void send_answer(int fd) {
    if (send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer_.size())) {
      shutdown(fd, SHUT_RDWR);
    }
  }

  // Until the first answer is due; epoll_wait's milliseconds would blur what is measured.
  std::optional<timespec> next_wait() const {
    if (due_.empty()) {
      return std::nullopt;
    }
    constexpr std::int64_t kSecond = 1'000'000'000;
    const std::int64_t left = std::max<std::int64_t>((due_.front().at - Clock::now()).count(), 0);
    return timespec{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
  }

  void send_due() {
    for (const auto now = Clock::now(); !due_.empty() && due_.front().at <= now; due_.pop_front()) {
      const auto found = connections_.find(due_.front().fd);
      if (found != connections_.end() && found->second.id == due_.front().id) {
        send_answer(due_.front().fd);
      }
    }
  }

  int listener_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::string answer_;
  std::chrono::milliseconds delay_;
  std::unordered_map<int, Connection> connections_;
  std::deque<Due> due_;
  std::uint64_t last_id_ = 0;
  std::array<char, 65536> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PORT [BODY_BYTES [DELAY_MS]]\n", argv[0]);
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 us would be half of what is measured
  const int listener = listen_on(parse(argv[1], 0));
  if (listener < 0) {
    return 1;
  }
  Server(listener, argc > 2 ? parse(argv[2], 1024) : 1024, argc > 3 ? parse(argv[3], 0) : 0).run();
}
