#include "flotilla/telemetry/access_log.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace flotilla::telemetry {
namespace {

// A directory of its own, gone afterwards.
class AccessLogFile : public testing::Test {
 protected:
  AccessLogFile() {
    std::string name = testing::TempDir() + "access_log_XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~AccessLogFile() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ + "/access.log"; }

 private:
  std::string directory_;
};

AccessRecord record() {
  return {.gateway = "public", .method = "GET", .target = "/", .status = 200, .client = "192.0.2.1"};
}

TEST_F(AccessLogFile, HoldsEveryLineOfEveryWorkerAfterTheEndAndIsAppendedTo) {
  constexpr std::size_t kLines = 1000;
  for (int round = 0; round < 2; ++round) {
    auto log = AccessLog::open(path(), 2);
    ASSERT_TRUE(log);
    std::thread other([&] {
      for (std::size_t i = 0; i < kLines; ++i) {
        (*log)->add(1, record());
      }
    });
    for (std::size_t i = 0; i < kLines; ++i) {
      (*log)->add(0, record());
    }
    other.join();
    EXPECT_EQ((*log)->dropped(), 0U);
  }
  std::string line;
  append_access_line(line, record());
  line.pop_back();
  std::ifstream file(path());
  std::size_t lines = 0;
  for (std::string read; std::getline(file, read); ++lines) {
    ASSERT_EQ(read, line);
  }
  EXPECT_EQ(lines, 4 * kLines);
}

TEST_F(AccessLogFile, DropsAndCountsWhatASlowReaderLeavesNoRoomFor) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  const int reader = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  std::string line;
  append_access_line(line, record());
  auto log = AccessLog::open(path(), 1);
  ASSERT_TRUE(log);
  // Nobody reads: the pipe, what the writer holds and the buffer take less than four buffers.
  const std::size_t added = 4 * AccessLog::kMostBuffered / line.size();
  for (std::size_t i = 0; i < added; ++i) {
    (*log)->add(0, record());
  }
  const std::uint64_t dropped = (*log)->dropped();
  EXPECT_GT(dropped, 0U);
  EXPECT_LT(dropped, added);
  std::thread end([&] { log->reset(); });
  std::size_t bytes = 0;
  std::vector<char> chunk(65536);
  while (bytes < (added - dropped) * line.size()) {
    const ssize_t got = ::read(reader, chunk.data(), chunk.size());
    ASSERT_GT(got, 0);
    bytes += static_cast<std::size_t>(got);
  }
  end.join();
  EXPECT_EQ(bytes, (added - dropped) * line.size());
  ::close(reader);
}

TEST(AccessLog, SaysWhyItsFileCannotBeOpened) {
  const auto log = AccessLog::open("/nonexistent/access.log", 1);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Errc::io);
  EXPECT_NE(log.error().message.find("/nonexistent/access.log: No such file"), std::string::npos);
}

TEST(AccessLog, CountsWritesThatTheSystemRefuses) {
  auto log = AccessLog::open("/dev/full", 1);
  ASSERT_TRUE(log);
  for (std::size_t bytes = 0; bytes < AccessLog::kMostBuffered; bytes += 64) {
    (*log)->add(0, record());  // past half of the buffer, so the writer is woken
  }
  while ((*log)->failed_writes() == 0) {  // ctest's limit ends a writer that never tries
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace flotilla::telemetry
