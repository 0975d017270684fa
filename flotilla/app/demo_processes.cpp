#include "flotilla/app/demo_processes.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

// In the child, between fork and exec: only calls that are safe there. Returns only if the program cannot be
// executed; errno says why.
void become(char* const* arguments, const char* log, pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return;
  }
  if (::getppid() != parent) {
    ::_exit(1);  // the demo died before the kernel was told to watch it
  }
  sigset_t none;  // the demo blocks signals for itself; its children must see them
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int output = ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (input < 0 || output < 0 || ::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0 || ::setpgid(0, 0) != 0) {
    return;
  }
  ::execv(arguments[0], arguments);
}

// Waits until the other end of the pipe is closed, by exec or with an errno before it; 0 if all went well.
int error_from(int pipe) {
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(pipe, &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return got == static_cast<ssize_t>(sizeof error) ? error : 0;
}

}  // namespace

Result<> DemoProcesses::start(const std::string& name, const std::vector<std::string>& command) {
  const std::string log = folder_ / (name + ".log");
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));  // execv does not write to them
  }
  arguments.push_back(nullptr);
  std::array<int, 2> failure{};
  if (::pipe2(failure.data(), O_CLOEXEC) != 0) {
    return fail(Errc::io, fmt::format("cannot start {}: {}", command[0], std::strerror(errno)));
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(arguments.data(), log.c_str(), parent);
    const int error = errno;
    (void)!::write(failure[1], &error, sizeof error);
    ::_exit(127);
  }
  const int no_fork = errno;
  ::close(failure[1]);
  const int error = pid < 0 ? no_fork : error_from(failure[0]);
  ::close(failure[0]);
  if (error != 0) {
    if (pid > 0) {
      ::waitpid(pid, nullptr, 0);
    }
    return fail(Errc::io, fmt::format("cannot start {}: {}", command[0], std::strerror(error)));
  }
  running_[name] = pid;
  return {};
}

void DemoProcesses::kill(const std::string& name) {
  if (const auto found = running_.find(name); found != running_.end()) {
    ::kill(found->second, SIGKILL);
    ::waitpid(found->second, nullptr, 0);
    running_.erase(found);
  }
}

std::string DemoProcesses::first_ended() {
  for (const auto& [name, pid] : running_) {
    if (::waitpid(pid, nullptr, WNOHANG) == pid) {
      std::string ended = name;
      running_.erase(ended);
      return ended;
    }
  }
  return {};
}

DemoProcesses::~DemoProcesses() {
  for (const auto& [name, pid] : running_) {
    ::kill(pid, SIGTERM);
  }
  const Instant limit = net::monotonic_now() + kGrace;
  while (!running_.empty() && net::monotonic_now() < limit) {
    while (!first_ended().empty()) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const auto& [name, pid] : running_) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

}  // namespace flotilla::app
