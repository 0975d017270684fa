#include "flotilla/journal/log_room.hpp"

#include <algorithm>
#include <array>

#include <sqlite3.h>

namespace flotilla::journal {
namespace {

// SQLite's unix VFS keeps the lower 17 bits of a write's length only.
constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::array<char, kPiece> kZeros{};

}  // namespace

void LogRoom::make(std::uint64_t used) noexcept {
  if (used + kAhead <= length_ || length_ >= bound_) {
    return;
  }
  if (!lengthen()) {
    length_ = bound_;
  }
}

bool LogRoom::lengthen() noexcept {
  sqlite3_file* file = nullptr;
  sqlite3_int64 size = 0;
  if (sqlite3_file_control(connection_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr || file->pMethods->xFileSize(file, &size) != SQLITE_OK) {
    return false;
  }
  // At the end of the file, so whatever the log holds is out of reach.
  const auto end =
      std::min<sqlite3_int64>(size + static_cast<sqlite3_int64>(kStep), static_cast<sqlite3_int64>(bound_));
  while (size < end) {
    const auto piece = static_cast<int>(std::min<sqlite3_int64>(end - size, kPiece));
    if (file->pMethods->xWrite(file, kZeros.data(), piece, size) != SQLITE_OK) {
      return false;
    }
    size += piece;
  }
  length_ = static_cast<std::uint64_t>(size);
  return true;
}

}  // namespace flotilla::journal
