// What a shop service remembers: tables of JSON rows, kept in a journal file if one is named.
//
// For: the sample services, which must find their orders and answered idempotency keys again after a kill.
// A row is changed in memory at once; commit() appends everything since the last commit as one line and
// waits for the disk, so a request's changes survive together or not at all.
// Ownership: owns its file. Threads: one. commit() blocks it for a disk write, which only a sample may do.
// Limits: kMostRows per table, then the oldest row goes; the file is rewritten without history at open().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/json/value.hpp"

namespace shop {

class Store {
 public:
  static constexpr std::size_t kMostRows = 100'000;

  // Reads `path` (created if there is none) and keeps to it; an empty path keeps nothing. A last line that
  // a crash cut off is dropped: its request was never answered. Errors: io, invalid (not such a file).
  [[nodiscard]] static flotilla::Result<Store> open(const std::string& path);
  Store(Store&& other) noexcept;
  Store& operator=(Store&&) = delete;
  ~Store();

  // The row, or nullptr; valid until the table changes.
  [[nodiscard]] const flotilla::json::Value* find(std::string_view table, std::string_view id) const;
  // The newest rows whose `field` is the string `value`, newest first, at most `most`.
  [[nodiscard]] flotilla::json::Value newest(std::string_view table, std::string_view field,
                                             std::string_view value, std::size_t most = 50) const;
  [[nodiscard]] bool empty() const noexcept { return tables_.empty(); }

  void put(std::string_view table, std::string_view id, const flotilla::json::Value& row);
  void erase(std::string_view table, std::string_view id);
  // A number that was not given before, also not before a restart.
  [[nodiscard]] std::int64_t next_number();

  // Errors: io. Then memory is ahead of the file and the service must stop.
  [[nodiscard]] flotilla::Result<> commit();

 private:
  struct Row {
    std::string id;
    flotilla::json::Value value;
  };
  struct Table {
    std::map<std::uint64_t, Row> rows;  // by age
    std::unordered_map<std::string, std::uint64_t> by_id;
  };

  Store() = default;
  [[nodiscard]] flotilla::Result<> replay(std::string_view text);
  [[nodiscard]] flotilla::Result<> rewrite(const std::string& path);
  void apply_put(std::string_view table, std::string_view id, const flotilla::json::Value& row);
  void apply_erase(std::string_view table, std::string_view id);

  std::map<std::string, Table, std::less<>> tables_;
  std::uint64_t age_ = 0;
  flotilla::json::Value pending_;  // [[table, id, row], [table, id], ...] since the last commit
  int fd_ = -1;
};

}  // namespace shop
