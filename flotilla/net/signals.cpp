#include "flotilla/net/signals.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace flotilla::net {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) {
    sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

void block_signals(std::initializer_list<int> signals) {
  const sigset_t set = set_of(signals);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  (void)std::signal(SIGPIPE, SIG_IGN);
}

Result<std::unique_ptr<SignalSource>> SignalSource::open(Loop& loop, std::initializer_list<int> signals,
                                                         OnSignal on_signal) {
  const sigset_t set = set_of(signals);
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) {
    return fail(Errc::io, fmt::format("cannot receive signals: {}", std::strerror(errno)));
  }
  std::unique_ptr<SignalSource> source(new SignalSource(loop, fd, std::move(on_signal)));
  if (!loop.watch(fd, EPOLLIN, *source)) {
    return fail(Errc::io, "cannot watch for signals: out of kernel memory");
  }
  return source;
}

SignalSource::~SignalSource() {
  loop_.unwatch(fd_);
  ::close(fd_);
}

void SignalSource::on_events(std::uint32_t) {
  signalfd_siginfo info{};
  while (::read(fd_, &info, sizeof info) == sizeof info) {
    on_signal_(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace flotilla::net
