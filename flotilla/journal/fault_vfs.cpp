#include "flotilla/journal/fault_vfs.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include <sqlite3.h>

namespace flotilla::journal::test {
namespace {

constexpr std::uint64_t kSector = 512;

struct File {
  sqlite3_file base;
  sqlite3_file* real;
  std::string* path;
};

sqlite3_vfs* real_vfs = nullptr;

sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }
const std::string& path_of(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->path; }

int close_file(sqlite3_file* file) {
  FaultVfs::get().closed(path_of(file), file);
  const int code = real(file)->pMethods->xClose(real(file));
  delete reinterpret_cast<File*>(file)->path;
  return code;
}
int read_file(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), data, size, offset);
}
int write_file(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const std::string_view bytes(static_cast<const char*>(data), static_cast<std::size_t>(size));
  const int code = FaultVfs::get().before_write(path_of(file), bytes, static_cast<std::uint64_t>(offset));
  return code != SQLITE_OK ? code : real(file)->pMethods->xWrite(real(file), data, size, offset);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  const int code = FaultVfs::get().before_truncate(path_of(file), static_cast<std::uint64_t>(size));
  return code != SQLITE_OK ? code : real(file)->pMethods->xTruncate(real(file), size);
}
int sync_file(sqlite3_file* file, int) { return FaultVfs::get().before_sync(path_of(file), file); }
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock_file(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
int unlock_file(sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
int check_reserved(sqlite3_file* file, int* out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
int control(sqlite3_file* file, int op, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), op, argument);
}
int sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int characteristics(sqlite3_file* file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
int shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shm_unmap(sqlite3_file* file, int remove) { return real(file)->pMethods->xShmUnmap(real(file), remove); }

constexpr sqlite3_io_methods kMethods{2,           close_file,  read_file,       write_file,  truncate_file,
                                      sync_file,   file_size,   lock_file,       unlock_file, check_reserved,
                                      control,     sector_size, characteristics, shm_map,     shm_lock,
                                      shm_barrier, shm_unmap,   nullptr,         nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* out, int flags, int* out_flags) {
  auto* const file = reinterpret_cast<File*>(out);
  file->real = reinterpret_cast<sqlite3_file*>(file + 1);
  file->base.pMethods = nullptr;
  const int code = real_vfs->xOpen(real_vfs, name, file->real, flags, out_flags);
  if (code == SQLITE_OK) {
    file->path = new std::string(name == nullptr ? "" : name);
    FaultVfs::get().opened(*file->path, out);
    file->base.pMethods = &kMethods;
  }
  return code;
}
int delete_file(sqlite3_vfs*, const char* name, int sync_directory) {
  if (FaultVfs::get().power_is_cut()) {
    return SQLITE_IOERR_DELETE;
  }
  FaultVfs::get().removed(name);
  return real_vfs->xDelete(real_vfs, name, sync_directory);
}

}  // namespace

FaultVfs& FaultVfs::get() {
  static FaultVfs& vfs = []() -> FaultVfs& {
    static FaultVfs instance;
    real_vfs = sqlite3_vfs_find(nullptr);
    static sqlite3_vfs shim = *real_vfs;
    shim.szOsFile = static_cast<int>(sizeof(File)) + real_vfs->szOsFile;
    shim.zName = kName;
    shim.pNext = nullptr;
    shim.xOpen = open_file;
    shim.xDelete = delete_file;
    sqlite3_vfs_register(&shim, 0);
    return instance;
  }();
  return vfs;
}

void FaultVfs::reset() {
  const std::lock_guard lock(mutex_);
  files_.clear();
  writes_left_ = syncs_left_ = operations_left_ = std::nullopt;
}

void FaultVfs::fill_disk_after(std::optional<std::uint64_t> writes) {
  const std::lock_guard lock(mutex_);
  writes_left_ = writes;
}
void FaultVfs::fail_sync_after(std::optional<std::uint64_t> syncs) {
  const std::lock_guard lock(mutex_);
  syncs_left_ = syncs;
}
void FaultVfs::cut_power_after(std::optional<std::uint64_t> operations) {
  const std::lock_guard lock(mutex_);
  operations_left_ = operations;
}
bool FaultVfs::power_is_cut() {
  const std::lock_guard lock(mutex_);
  return operations_left_ == 0;
}
std::uint64_t FaultVfs::syncs() {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

bool FaultVfs::cut() {
  if (!operations_left_) {
    return false;
  }
  if (*operations_left_ > 0) {
    --*operations_left_;
  }
  return *operations_left_ == 0;
}

void FaultVfs::opened(const std::string& path, const void* handle) {
  const std::lock_guard lock(mutex_);
  const auto [entry, fresh] = files_.try_emplace(path);
  if (fresh) {
    std::ifstream file(path, std::ios::binary);
    entry->second.durable.assign(std::istreambuf_iterator<char>(file), {});
  }
  entry->second.handles.insert(handle);
}

void FaultVfs::closed(const std::string& path, const void* handle) {
  const std::lock_guard lock(mutex_);
  if (const auto entry = files_.find(path); entry != files_.end()) {
    entry->second.handles.erase(handle);
    entry->second.untold.erase(handle);
  }
}

void FaultVfs::removed(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

int FaultVfs::before_write(const std::string& path, std::string_view bytes, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (cut()) {
    return SQLITE_IOERR_WRITE;
  }
  if (writes_left_) {
    if (*writes_left_ == 0) {
      return SQLITE_FULL;
    }
    --*writes_left_;
  }
  files_[path].pending.push_back({offset, std::string(bytes), false});
  return SQLITE_OK;
}

int FaultVfs::before_truncate(const std::string& path, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  if (cut()) {
    return SQLITE_IOERR_TRUNCATE;
  }
  files_[path].pending.push_back({size, {}, true});
  return SQLITE_OK;
}

int FaultVfs::before_sync(const std::string& path, const void* handle) {
  const std::lock_guard lock(mutex_);
  if (cut()) {
    return SQLITE_IOERR_FSYNC;
  }
  ++syncs_;
  Image& image = files_[path];
  if (syncs_left_ && (*syncs_left_)-- == 0) {
    syncs_left_.reset();
    image.pending.clear();
    image.untold = image.handles;
    image.untold.erase(handle);
    return SQLITE_IOERR_FSYNC;
  }
  if (image.untold.erase(handle) > 0) {
    return SQLITE_IOERR_FSYNC;
  }
  for (const Write& write : image.pending) {
    apply(image.durable, write);
  }
  image.pending.clear();
  return SQLITE_OK;
}

void FaultVfs::apply(std::string& content, const Write& write) {
  if (write.truncates) {
    content.resize(write.offset);
    return;
  }
  content.resize(std::max(content.size(), static_cast<std::size_t>(write.offset) + write.bytes.size()));
  content.replace(write.offset, write.bytes.size(), write.bytes);
}

void FaultVfs::restore(Random& random) {
  const std::lock_guard lock(mutex_);
  for (auto& [path, image] : files_) {
    for (const Write& write : image.pending) {
      if (random.below(2) == 0) {
        continue;
      }
      if (write.truncates) {
        apply(image.durable, write);
        continue;
      }
      // In sectors, some of which are lost.
      for (std::uint64_t at = 0; at < write.bytes.size(); at += kSector) {
        if (random.below(8) != 0) {
          apply(image.durable, {write.offset + at, write.bytes.substr(at, kSector), false});
        }
      }
    }
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(image.durable.data(), static_cast<std::streamsize>(image.durable.size()));
  }
  files_.clear();
  writes_left_ = syncs_left_ = operations_left_ = std::nullopt;
}

}  // namespace flotilla::journal::test
