#include "flotilla/journal/store_lock.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace flotilla::journal {

Result<StoreLock> StoreLock::acquire(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail(Errc::io, fmt::format("cannot create the lock file {}: {}", path, std::strerror(errno)));
  }
  StoreLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return fail(Errc::io, fmt::format("cannot lock {}: {}", path, std::strerror(errno)));
    }
    char text[32] = {};
    const ssize_t size = ::pread(fd, text, sizeof text, 0);
    const std::string_view pid(text, static_cast<std::size_t>(size > 0 ? size : 0));
    return fail(Errc::conflict,
                fmt::format("another process{} uses this store ({} is locked): stop it, or name another file",
                            pid.empty() ? "" : fmt::format(" ({})", pid), path));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(Errc::io, fmt::format("cannot write the lock file {}: {}", path, std::strerror(errno)));
  }
  return lock;
}

StoreLock::~StoreLock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace flotilla::journal
