#include "flotilla/saga/archive_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace flotilla::saga {
namespace {

constexpr int kGzip = 15 + 16;  // zlib: the largest window, and gzip's header and checksum
constexpr std::size_t kChunk = std::size_t{64} << 10;

std::unexpected<Error> io_error(std::string_view what, const std::string& path) {
  return fail(Errc::io, fmt::format("cannot {} the archive {}: {}", what, path, std::strerror(errno)));
}

// zlib takes pointers to what it only reads as pointers to what it may write.
Bytef* bytes_of(const char* text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

std::optional<std::string> compress(std::string_view text) {
  z_stream stream{};
  if (text.size() > std::numeric_limits<uInt>::max() ||
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = bytes_of(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = bytes_of(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return code == Z_STREAM_END ? std::optional(std::move(out)) : std::nullopt;
}

// How far the file consists of whole members. Errors: io; invalid where it is no gzip.
Result<std::uint64_t> whole_members(int fd, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzip) != Z_OK) {
    return fail(Errc::io, fmt::format("no memory to read the archive {}", path));
  }
  std::array<char, kChunk> in{};
  std::array<char, kChunk> out{};
  std::uint64_t read = 0;
  std::uint64_t whole = 0;
  ssize_t size = 0;
  int code = Z_OK;
  while (code == Z_OK && (size = ::pread(fd, in.data(), in.size(), static_cast<off_t>(read))) > 0) {
    read += static_cast<std::uint64_t>(size);
    stream.next_in = bytes_of(in.data());
    stream.avail_in = static_cast<uInt>(size);
    do {
      stream.next_out = bytes_of(out.data());
      stream.avail_out = out.size();
      code = inflate(&stream, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        whole = read - stream.avail_in;
        code = inflateReset(&stream);
      }
    } while (code == Z_OK && (stream.avail_in > 0 || stream.avail_out == 0));
    code = code == Z_BUF_ERROR ? Z_OK : code;  // it wants more of the file
  }
  inflateEnd(&stream);
  if (size < 0) {
    return io_error("read", path);
  }
  if (code != Z_OK) {
    return fail(Errc::invalid,
                fmt::format("the archive {} is damaged behind byte {}: move it away", path, whole));
  }
  return whole;
}

bool sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) {
    ::close(fd);
  }
  return synced;
}

bool write_all(int fd, std::string_view bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno != EINTR) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(std::max(written, ssize_t{0})));
    at += static_cast<std::uint64_t>(std::max(written, ssize_t{0}));
  }
  return true;
}

}  // namespace

std::string ArchiveFile::path_of(std::string_view day) const {
  return (std::filesystem::path(folder_) / fmt::format("sagas-{}.jsonl.gz", day)).string();
}

void ArchiveFile::close() noexcept {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = -1;
}

Result<> ArchiveFile::open(std::string_view day) {
  close();
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) {
    return fail(Errc::io, fmt::format("cannot create the archive's folder {}: {}", folder_, error.message()));
  }
  day_ = day;
  const std::string path = path_of(day);
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0 || !sync_folder(folder_)) {
    const auto failed = io_error("open", path);
    close();
    return failed;
  }
  const auto whole = whole_members(fd_, path);
  if (!whole || ::ftruncate(fd_, static_cast<off_t>(*whole)) != 0) {
    const auto failed = whole ? io_error("mend", path) : std::unexpected(whole.error());
    close();
    return failed;
  }
  size_ = *whole;
  return {};
}

bool ArchiveFile::is_in_place() const {
  struct stat open{};
  struct stat named{};
  return ::fstat(fd_, &open) == 0 && ::stat(path_of(day_).c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

Result<> ArchiveFile::append(std::string_view day, std::string_view lines) {
  if (fd_ < 0 || day != day_ || !is_in_place()) {
    if (auto opened = open(day); !opened) {
      return opened;
    }
  }
  const std::string path = path_of(day);
  const auto member = compress(lines);
  if (!member) {
    return fail(Errc::io, fmt::format("cannot compress {} bytes for the archive {}", lines.size(), path));
  }
  if (!write_all(fd_, *member, size_) || ::fdatasync(fd_) != 0) {
    const auto failed = io_error("write", path);
    // Opened anew with the next append, which cuts off what may be there of this one.
    close();
    return failed;
  }
  size_ += member->size();
  return {};
}

}  // namespace flotilla::saga
