// A disk that fails when a test says so: SQLite's own file system with a shim in between. Tests only.
//
// It knows, for every file, what is surely on disk (synced) and what was written since. A power cut keeps the
// first and any part of the second. A failed sync behaves as Linux does (4.13 and later): what was to be
// synced is forgotten; everyone who has the file open then is told once, at their next sync; the sync after
// that succeeds without it. Ownership: one for the process, registered under kName. Threads: any. Limits:
// keeps copies of whole files.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"

namespace flotilla::journal::test {

class FaultVfs {
 public:
  static constexpr const char* kName = "faulty";
  // Registers it on first use.
  static FaultVfs& get();

  // Forgets every file and fault.
  void reset();
  // From the n-th write on (0: the next), writes find no space, until given nothing.
  void fill_disk_after(std::optional<std::uint64_t> writes);
  // The n-th sync from now fails, once.
  void fail_sync_after(std::optional<std::uint64_t> syncs);
  // From the n-th write or sync on, nothing reaches the files any more and everything fails.
  void cut_power_after(std::optional<std::uint64_t> operations);
  [[nodiscard]] bool power_is_cut();
  // Puts on disk what a power cut would leave, `random` choosing among the writes that were not synced, each
  // of which may be torn. Every connection is closed. Forgets everything.
  void restore(Random& random);
  [[nodiscard]] std::uint64_t syncs();

  // For the shim itself.
  void opened(const std::string& path, const void* handle);
  void closed(const std::string& path, const void* handle);
  void removed(const std::string& path);
  // SQLITE_OK, or what the operation fails with; the caller then does not carry it out.
  int before_write(const std::string& path, std::string_view bytes, std::uint64_t offset);
  int before_truncate(const std::string& path, std::uint64_t size);
  int before_sync(const std::string& path, const void* handle);

 private:
  struct Write {
    std::uint64_t offset;  // or the new size
    std::string bytes;
    bool truncates;
  };
  struct Image {
    std::string durable;
    std::vector<Write> pending;
    std::set<const void*> handles;  // that have it open
    std::set<const void*> untold;   // of them, those that have not heard of a failed sync yet
  };
  bool cut();  // with the mutex held: counts an operation

  static void apply(std::string& content, const Write& write);

  std::mutex mutex_;
  std::map<std::string, Image> files_;
  std::optional<std::uint64_t> writes_left_, syncs_left_, operations_left_;
  std::uint64_t syncs_ = 0;
};

}  // namespace flotilla::journal::test
