// The child processes of the demo.
//
// Ownership: ends its processes when destroyed (SIGTERM, then SIGKILL after kGrace); if the demo itself is
// killed, the kernel kills them. Their output goes to FOLDER/NAME.log. Each has a process group of its own,
// so that the terminal's Ctrl-C reaches the demo alone, which then ends them. Threads: one, which must
// outlive the processes (the kernel watches the thread that started them).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::app {

class DemoProcesses {
 public:
  static constexpr Duration kGrace = std::chrono::seconds(3);

  explicit DemoProcesses(std::filesystem::path folder) : folder_(std::move(folder)) {}
  DemoProcesses(const DemoProcesses&) = delete;
  DemoProcesses& operator=(const DemoProcesses&) = delete;
  ~DemoProcesses();

  // `command[0]` is the program's path. Errors: io, also when the program cannot be executed.
  [[nodiscard]] Result<> start(const std::string& name, const std::vector<std::string>& command);
  void kill(const std::string& name);
  // The name of a process that has ended by itself; empty if none has.
  [[nodiscard]] std::string first_ended();

 private:
  std::filesystem::path folder_;
  std::map<std::string, pid_t> running_;
};

}  // namespace flotilla::app
