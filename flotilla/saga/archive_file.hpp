// The archive of what the journal forgets: a folder with one compressed file of JSON lines for each day.
//
// For: retention.hpp. A file is a row of gzip members, one for each append, so `zcat` reads it whole. An
// append is on disk when it returns. A crash may leave a member cut short: the next process cuts it off
// before it goes on. Ownership: owns the open file. Threads: one at a time; blocks. Limits: none of its own;
// what is damaged before its end is left alone, and nothing more is put after it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::saga {

class ArchiveFile {
 public:
  // The folder is created with the first append.
  explicit ArchiveFile(std::string folder) : folder_(std::move(folder)) {}
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;
  ~ArchiveFile() { close(); }

  // `lines` end in a newline each; `day` as in 2026-11-24. All of them are there then, or none. Errors: io
  // (with the file and the cause), invalid (the day's file is damaged).
  [[nodiscard]] Result<> append(std::string_view day, std::string_view lines);

  [[nodiscard]] std::string path_of(std::string_view day) const;

 private:
  [[nodiscard]] Result<> open(std::string_view day);
  [[nodiscard]] bool is_in_place() const;  // nobody has moved the open file away
  void close() noexcept;

  std::string folder_;
  std::string day_;         // of the open file
  int fd_ = -1;             // -1: none is open
  std::uint64_t size_ = 0;  // of its whole members
};

}  // namespace flotilla::saga
