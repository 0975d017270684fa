// The key vault: seals what is personal in events, each under the key of the person it is about.
//
// For: the embedded store. A record of a topic with personal fields is kept as the event without them, and
// the event's data as it was, encrypted (AES-256-GCM) under a key that is drawn for its subject. The keys lie
// in a file of their own, PATH.keys, which no backup, export or archive of the store holds. So whoever
// destroys a key has erased the subject's data wherever a copy of the records is. Records of topics, and of
// what is made of them (dead letters), are told by their category.
// A key that is not there, because it was destroyed or its file was lost, makes the fields null: that is
// never an error, and is counted.
// Keys of one group of commits are synced together, before the group.
// Ownership: part of the journal. Threads: any; one mutex, held for a read or a synced write of the key file,
// so never call it on a worker's loop. Limits: kMaxRemembered keys in memory; an event's data takes room
// twice.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/personal.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/journal/sqlite.hpp"

namespace flotilla::journal {

class KeyVault {
 public:
  static constexpr std::size_t kMaxRemembered = 10'000;
  using Policies = std::map<std::string, PersonalFields, std::less<>>;  // by category

  struct Counters {
    std::atomic<std::uint64_t> sealed;   // records
    std::atomic<std::uint64_t> opened;   // as they were
    std::atomic<std::uint64_t> erased;   // read without what is personal: their key is destroyed
    std::atomic<std::uint64_t> missing;  // ... their key is in no file: it was lost
    std::atomic<std::uint64_t> nobodys;  // kept without what is personal: of whom it is could not be told
  };

  // `path`: of the key file, which is made when the first key is.
  explicit KeyVault(std::string path) : path_(std::move(path)) {}
  KeyVault(const KeyVault&) = delete;
  KeyVault& operator=(const KeyVault&) = delete;
  ~KeyVault();

  // Whose records are sealed from now on. What was sealed before stays so.
  void set_policies(Policies policies);

  // The body as it is kept; nothing: as it is. Errors: unavailable (the key file), limit (it would be longer
  // than a record may be).
  [[nodiscard]] Result<std::optional<std::string>> seal(std::string_view category, std::string_view body,
                                                        UtcMillis now);
  // Keys that were drawn since the last time are on disk: before what they seal is. Errors: unavailable; what
  // was sealed under them must not be kept.
  [[nodiscard]] Result<> save();
  // The body as it was published, or without what is personal; nothing: it was not sealed. Errors:
  // unavailable (the key file).
  [[nodiscard]] Result<std::optional<std::string>> open(std::string_view body);

  // Destroys a subject's key: it is in no file any more. Gives how many there were. Errors: unavailable.
  [[nodiscard]] Result<std::int64_t> erase(std::string_view subject, UtcMillis now);

  struct Known {
    bool has_key = false;
    UtcMillis erased;  // the last time; 0: never
  };
  [[nodiscard]] Result<Known> known(std::string_view subject);

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

 private:
  using Key = std::array<unsigned char, 32>;
  struct NamedKey {
    std::uint64_t id = 0;
    Key key{};
  };
  enum class Found : std::uint8_t { key, erased, missing };

  // All with the mutex held.
  [[nodiscard]] Result<> open_file(bool create);
  [[nodiscard]] Result<NamedKey> key_of(const std::string& subject, UtcMillis now);
  [[nodiscard]] Result<Found> key_by_id(std::uint64_t id, Key& key);
  [[nodiscard]] std::unexpected<Error> trouble();
  void remember(const std::string& subject, const NamedKey& named);
  void forget_remembered() noexcept;

  const std::string path_;
  Counters counters_;
  std::atomic<bool> seals_{false};
  std::mutex mutex_;
  std::shared_ptr<const Policies> policies_;
  std::unique_ptr<sqlite::Connection> db_;  // null until there is a file
  bool unsaved_ = false;                    // a transaction is open, with fresh keys
  std::unordered_map<std::string, NamedKey> by_subject_;
  std::unordered_map<std::uint64_t, Key> by_id_;
};

}  // namespace flotilla::journal
