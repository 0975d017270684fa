// A file that appears under its name only when it is complete and on disk.
//
// For: backups and imports. It is made as NAME.partial and is removed again unless it was published.
// Ownership: owns the partial file. Threads: one.
#pragma once

#include <string>
#include <utility>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

// Creates an empty file that its owner alone may read and write; one that exists is left as it is. Whether it
// worked shows when it is opened.
void create_private(const std::string& path);

class NewFile {
 public:
  // The partial file is there, empty and private. Errors: conflict (a file of that name exists, or a
  // write-ahead log that belonged to one), io.
  [[nodiscard]] static Result<NewFile> begin(const std::string& name);
  NewFile(NewFile&& other) noexcept : name_(std::exchange(other.name_, {})) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  // Where to write meanwhile.
  [[nodiscard]] std::string path() const { return name_ + ".partial"; }
  // Syncs it and gives it its name. Whoever wrote has closed it. Errors: io.
  [[nodiscard]] Result<> publish() &&;

 private:
  explicit NewFile(std::string name) : name_(std::move(name)) {}
  std::string name_;  // empty: published, or moved away
};

}  // namespace flotilla::journal
