// Last good answers, for the `stale` fallback: what a service said before it failed.
//
// Only whole 2xx answers to GET without Set-Cookie and without Cache-Control: no-store are kept, under a
// key that includes who asked (Outgoing::stale_key), so nobody sees another's answer.
// Ownership: one per worker; values. Threads: the worker's.
// Limits: kMostEntries answers of at most kLongestBody bytes, least recently stored out first.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "flotilla/base/time.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::call {

class StaleCache {
 public:
  static constexpr std::size_t kMostEntries = 1024;
  static constexpr std::size_t kLongestBody = std::size_t{64} * 1024;

  struct Entry {
    std::string key;
    http::Response response;
    Instant stored;
  };

  void store(std::string key, http::Response response, Instant now);
  // Not older than `longest`; nullptr otherwise. Valid until the next store.
  [[nodiscard]] const Entry* find(const std::string& key, Duration longest, Instant now) const;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  std::list<Entry> entries_;                                                // the newest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys point into entries_
};

}  // namespace flotilla::call
