#include "flotilla/telemetry/access_log.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "flotilla/base/assert.hpp"

namespace flotilla::telemetry {

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& destination, std::size_t workers) {
  const bool to_file = destination != "stdout";
  int file = STDOUT_FILENO;
  if (to_file) {
    constexpr mode_t kOwnerWritesGroupReads = 0640;
    file = ::open(destination.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kOwnerWritesGroupReads);
    if (file < 0) {
      return fail(Errc::io, fmt::format("access log {}: {}; name a file in a directory that can be written",
                                        destination, std::strerror(errno)));
    }
  }
  return std::unique_ptr<AccessLog>(new AccessLog(file, to_file, workers));
}

AccessLog::AccessLog(int file, bool owns_file, std::size_t workers) : file_(file), owns_file_(owns_file) {
  for (std::size_t i = 0; i < workers; ++i) {
    buffers_.push_back(std::make_unique<Buffer>());
  }
  thread_ = std::thread([this] { run(); });
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  if (owns_file_) {
    ::close(file_);
  }
}

void AccessLog::add(std::size_t worker, const AccessRecord& record) {
  FLOTILLA_ASSERT(worker < buffers_.size());
  Buffer& buffer = *buffers_[worker];
  buffer.line.clear();
  append_access_line(buffer.line, record);
  bool half_full = false;
  {
    const std::lock_guard lock(buffer.mutex);
    const std::size_t before = buffer.lines.size();
    if (before + buffer.line.size() > kMostBuffered) {
      buffer.dropped.add();
      return;
    }
    buffer.lines += buffer.line;
    half_full = before < kMostBuffered / 2 && buffer.lines.size() >= kMostBuffered / 2;
  }
  if (half_full) {  // once per filling, so that workers seldom meet at mutex_
    {
      const std::lock_guard lock(mutex_);
      hurry_ = true;
    }
    wake_.notify_one();
  }
}

std::uint64_t AccessLog::dropped() const noexcept {
  std::uint64_t total = 0;
  for (const auto& buffer : buffers_) {
    total += buffer->dropped.read();
  }
  return total;
}

void AccessLog::run() {
  bool stopping = false;
  while (!stopping) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kFlushEvery, [this] { return hurry_ || stopping_; });
      hurry_ = false;
      stopping = stopping_;
    }
    flush();
  }
}

void AccessLog::flush() {
  for (const auto& buffer : buffers_) {
    taken_.clear();
    {
      const std::lock_guard lock(buffer->mutex);
      taken_.swap(buffer->lines);
    }
    write_all(taken_);
  }
}

void AccessLog::write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file_, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      failed_writes_.add();
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace flotilla::telemetry
