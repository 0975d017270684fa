// The services of the saga benchmark: a bare HTTP/1.1 server that answers the requests of a saga's steps as
// cheaply as possible, and counts them, so that a saga engine can be measured and its effects be checked.
//
//   bench_steps PORT     127.0.0.1 only; until SIGTERM
//
// POST /STEP and POST /undo-STEP answer 200 with 100 bytes of JSON; /ship answers 409 when the body contains
// "refuse"; of the other requests that carry an Idempotency-Key every fiftieth key (by its hash) is answered
// 500 the first time it comes. GET /counts gives {"STEP": answered with success, ...}.
// Bounds: keys are remembered for the run's length, requests are at most 64 KiB.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <netinet/in.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../loopback.hpp"

namespace {

constexpr std::size_t kFailsOneIn = 50;

// The value of a field of `head`, which ends with an empty line; empty without one.
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at + 2 < head.size();) {
    const std::size_t start = at + 2;
    at = head.find("\r\n", start);
    const std::string_view line = head.substr(start, at - start);
    if (line.size() > name.size() && line[name.size()] == ':' &&
        ::strncasecmp(line.data(), name.data(), name.size()) == 0) {
      const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
      return value == std::string_view::npos ? std::string_view() : line.substr(value);
    }
    if (at == std::string_view::npos) {
      break;
    }
  }
  return {};
}

std::string answer(int status, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Failed") +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

class Server {
 public:
  explicit Server(int listener) : listener_(listener) {
    std::string body = R"({"id":"42","status":"done","note":")";
    body += std::string(98 - body.size(), 'x') + "\"}";
    success_ = answer(200, body);
    watch(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
        fd == listener_ ? accept_all() : receive(fd);
      }
    }
  }

 private:
  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (int fd = 0; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      pending_[fd].clear();
      watch(fd);
    }
  }

  void receive(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) {
      return;
    }
    if (got <= 0) {
      pending_.erase(fd);
      close(fd);
      return;
    }
    std::string& pending = pending_[fd];
    pending.append(buffer_.data(), static_cast<std::size_t>(got));
    std::size_t done = 0;
    while (const std::size_t size = request_size(std::string_view(pending).substr(done))) {
      const std::string reply = serve(std::string_view(pending).substr(done, size));
      (void)send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
      done += size;
    }
    pending.erase(0, done);
  }

  // 0 while it is not whole.
  static std::size_t request_size(std::string_view bytes) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      return 0;
    }
    const std::string_view length = field(bytes.substr(0, end + 4), "content-length");
    std::size_t body = 0;
    std::from_chars(length.data(), length.data() + length.size(), body);
    return end + 4 + body <= bytes.size() ? end + 4 + body : 0;
  }

  std::string serve(std::string_view request) {
    const std::size_t end = request.find("\r\n\r\n") + 4;
    const std::string_view head = request.substr(0, end);
    const std::size_t slash = head.find('/');
    const std::string_view step = head.substr(slash + 1, head.find(' ', slash) - slash - 1);
    if (step == "counts") {
      return counts();
    }
    if (step == "ship" && request.substr(end).find("refuse") != std::string_view::npos) {
      return answer(409, R"({"error":"no way to ship this"})");
    }
    const std::string_view key = field(head, "idempotency-key");
    if (!key.empty() && std::hash<std::string_view>()(key) % kFailsOneIn == 0 &&
        failed_.insert(std::string(key)).second) {
      return answer(500, R"({"error":"once"})");
    }
    ++counts_[std::string(step)];
    return success_;
  }

  std::string counts() const {
    std::string body = "{";
    for (const auto& [step, count] : counts_) {
      body += (body.size() > 1 ? ", \"" : "\"") + step + "\": " + std::to_string(count);
    }
    return answer(200, body + "}");
  }

  int listener_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::string success_;
  std::unordered_map<int, std::string> pending_;
  std::unordered_set<std::string> failed_;
  std::map<std::string, std::uint64_t> counts_;
  std::array<char, 65536> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s PORT\n", argv[0]);
    return 2;
  }
  const int listener = flotilla::bench::listen_on(flotilla::bench::parse(argv[1], 0));
  if (listener < 0) {
    return 1;
  }
  Server(listener).run();
}
