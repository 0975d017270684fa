// What the servers of the benchmarks share: numbers from the command line, a listener on 127.0.0.1.
//
// Ownership: descriptors are the caller's. Threads: one each.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace flotilla::bench {

inline int parse(const char* text, int fallback) {
  int value = fallback;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

inline sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Non-blocking; -1 after saying why.
inline int listen_on(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, 4096) != 0) {
    std::perror("cannot listen");
    return -1;
  }
  return fd;
}

}  // namespace flotilla::bench
