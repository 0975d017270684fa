#include "flotilla/app/demo_processes.hpp"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace flotilla::app {
namespace {

using namespace std::chrono_literals;

// A folder for logs, and a pipe whose other end every child inherits: it closes when the last one is gone.
class DemoProcessesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "demo_processes_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    ASSERT_EQ(::pipe(lifeline_.data()), 0);
  }
  void TearDown() override {
    ::close(lifeline_[0]);
    std::filesystem::remove_all(folder_);
  }
  // Closes this process's end first.
  [[nodiscard]] bool all_gone_within(std::chrono::milliseconds patience) {
    ::close(lifeline_[1]);
    pollfd end{.fd = lifeline_[0], .events = POLLIN, .revents = 0};
    return ::poll(&end, 1, static_cast<int>(patience.count())) == 1 && (end.revents & POLLHUP) != 0;
  }
  [[nodiscard]] std::string log(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name + ".log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Until the child has written so, it may not have come to what the test is about.
  void await_log(const std::string& name, std::string_view text) const {
    for (int i = 0; i < 2000 && !log(name).contains(text); ++i) {
      std::this_thread::sleep_for(5ms);
    }
    ASSERT_TRUE(log(name).contains(text)) << log(name);
  }

  std::string folder_;
  std::array<int, 2> lifeline_{};
};

TEST_F(DemoProcessesTest, EndsEveryChildWithItself) {
  {
    DemoProcesses processes{folder_};
    ASSERT_TRUE(processes.start("polite", {"/bin/sh", "-c", "echo up; exec sleep 1000"}).has_value());
    ASSERT_TRUE(processes.start("deaf", {"/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"})
                    .has_value());
    await_log("polite", "up");
    await_log("deaf", "up");
    EXPECT_EQ(processes.first_ended(), "");
  }
  EXPECT_TRUE(all_gone_within(5s));  // the deaf one's own child sleeps a second at most
}

TEST_F(DemoProcessesTest, ChildrenDoNotSurviveTheKillOfTheirParent) {
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    DemoProcesses processes{folder_};
    const bool started =
        processes.start("orphan", {"/bin/sh", "-c", "trap '' TERM HUP; echo up; exec sleep 1000"})
            .has_value();
    while (started) {
      ::pause();
    }
    ::_exit(1);
  }
  await_log("orphan", "up");
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(all_gone_within(10s));
}

TEST_F(DemoProcessesTest, SaysWhyAProgramCannotBeStarted) {
  DemoProcesses processes{folder_};
  const auto started = processes.start("nothing", {folder_ + "/nothing"});
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().message, "cannot start " + folder_ + "/nothing: No such file or directory");
  EXPECT_EQ(processes.first_ended(), "");
  (void)all_gone_within(0ms);
}

TEST_F(DemoProcessesTest, TellsWhichOneEndedByItself) {
  DemoProcesses processes{folder_};
  ASSERT_TRUE(processes.start("short", {"/bin/sh", "-c", "echo done >&2"}).has_value());
  ASSERT_TRUE(processes.start("long", {"/bin/sleep", "1000"}).has_value());
  std::string ended;
  for (int i = 0; i < 2000 && ended.empty(); ++i) {
    std::this_thread::sleep_for(5ms);
    ended = processes.first_ended();
  }
  EXPECT_EQ(ended, "short");
  EXPECT_EQ(log("short"), "done\n");
  processes.kill("long");
  EXPECT_TRUE(all_gone_within(10s));
}

TEST_F(DemoProcessesTest, ChildrenSeeSignalsThatTheParentBlocks) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  {
    DemoProcesses processes{folder_};
    ASSERT_TRUE(processes
                    .start("traps", {"/bin/sh", "-c",
                                     "trap 'echo told; exit' TERM; echo up; while :; do sleep 0.1; done"})
                    .has_value());
    await_log("traps", "up");
  }
  EXPECT_TRUE(log("traps").contains("told"));
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  (void)all_gone_within(0ms);
}

}  // namespace
}  // namespace flotilla::app
