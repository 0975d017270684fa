// Answers of a view in memory, by key: so that a hot one costs no read of the store.
//
// For: the shell, which keeps several of these side by side, each behind a lock of its own. An answer that
// was read from the store while the view went on must not stay when it is old already: whoever puts one says
// of which position it is, and it is kept only if none of the keys here has changed since. Losing one costs a
// read. Ownership: owns its entries; answers are shared with whoever sends them. Threads: one at a time.
// Limits: the bytes it is given; an answer of more than an eighth of them is not kept. At the bound the
// oldest go.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "flotilla/base/time.hpp"

namespace flotilla::cqrs {

// What a view says.
struct Answer {
  std::string json;
  std::string etag;  // in its quotes; empty: none, because it is long or only a page
};
// Null: there is nothing under the key.
using AnswerBody = std::shared_ptr<const Answer>;

class AnswerCache {
 public:
  static constexpr std::size_t kEntryCost = 160;  // beside the key and the body

  explicit AnswerCache(std::size_t bytes) noexcept : most_(bytes) {}

  // Nothing: it is not known here.
  [[nodiscard]] std::optional<AnswerBody> find(std::string_view key);
  // What the store said at `position`.
  void put(std::string_view key, AnswerBody body, std::uint64_t position);
  // Whether it is time to have a copy of the answer made elsewhere: once in `every`. Asking means doing.
  [[nodiscard]] bool is_copy_due(std::string_view key, Instant now, Duration every);
  // The key's rows are others from `position` on.
  void changed(std::string_view key, std::uint64_t position);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t entries() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    AnswerBody body;
    Instant copied{};
  };
  [[nodiscard]] static std::size_t cost(const Entry& entry) noexcept {
    return kEntryCost + entry.key.size() + (entry.body ? entry.body->json.size() : 0);
  }
  void erase(std::list<Entry>::iterator entry);

  std::size_t most_;
  std::size_t bytes_ = 0;
  std::uint64_t changed_at_ = 0;  // the last change of any key, known here or not
  std::list<Entry> entries_;      // the latest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key_;
};

}  // namespace flotilla::cqrs
