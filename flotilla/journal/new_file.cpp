#include "flotilla/journal/new_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace flotilla::journal {
namespace {

bool sync_path(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const bool synced = ::fsync(fd) == 0;
  ::close(fd);
  return synced;
}

}  // namespace

void create_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    ::close(fd);
  }
}

Result<NewFile> NewFile::begin(const std::string& name) {
  std::error_code error;
  if (std::filesystem::exists(name, error)) {
    return fail(Errc::conflict, fmt::format("{} exists already: name another file, or move it away", name));
  }
  if (const std::string log = name + "-wal"; std::filesystem::exists(log, error)) {
    // SQLite would take it for the new store's, and write its pages over it.
    return fail(Errc::conflict,
                fmt::format("{} is left of another store: move it away together with that one", log));
  }
  NewFile file(name);
  std::filesystem::remove(file.path(), error);  // of an attempt that was interrupted
  if (error) {
    return fail(Errc::io, fmt::format("cannot write {}: {}", file.path(), error.message()));
  }
  create_private(file.path());
  return file;
}

NewFile::~NewFile() {
  if (!name_.empty()) {
    std::error_code ignored;  // it never had the name that somebody would look for
    std::filesystem::remove(path(), ignored);
  }
}

Result<> NewFile::publish() && {
  const std::string parent = std::filesystem::path(name_).parent_path().string();
  if (!sync_path(path()) || std::rename(path().c_str(), name_.c_str()) != 0 ||
      !sync_path(parent.empty() ? "." : parent)) {
    return fail(Errc::io, fmt::format("cannot write {}: {}", name_, std::strerror(errno)));
  }
  name_.clear();
  return {};
}

}  // namespace flotilla::journal
