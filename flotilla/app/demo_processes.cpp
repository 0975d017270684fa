#include "flotilla/app/demo_processes.hpp"

#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flotilla/net/clock.hpp"

extern char** environ;

namespace flotilla::app {

Result<> DemoProcesses::start(const std::string& name, const std::vector<std::string>& command) {
  const std::string log = folder_ / (name + ".log");
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));  // posix_spawn does not write to them
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;  // the demo blocks signals for itself; its children must see them
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, command[0].c_str(), &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
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
      running_.erase(name);
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
