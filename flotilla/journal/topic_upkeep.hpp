// What a store can do with the records of topics beside the Journal: take them out before their time, and
// keep what is personal in them sealed.
//
// For: events, when a person deletes a topic or has the data of a subject erased, and for the retention of
// topics by key. Not every store can all of it: topic_upkeep(), compaction_upkeep() and personal_upkeep()
// give null then.
// Ownership: part of its journal. Threads: as of Journal; callbacks must not block. Limits: kMaxForgotten
// records or keys a call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/personal.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/reply.hpp"

namespace flotilla::journal {

class Journal;
class KeyVault;

class TopicUpkeep {
 public:
  TopicUpkeep() = default;
  TopicUpkeep(const TopicUpkeep&) = delete;
  TopicUpkeep& operator=(const TopicUpkeep&) = delete;
  virtual ~TopicUpkeep() = default;

  // Each call is one bounded piece of work between commits: repeat it until it gives 0.

  // The oldest records of a topic at or before `until` in its shard, which has come so far. Whoever reads
  // does not find them any more, from memory either (of other processes that share the store: a moment
  // later); their streams go on from their last version. Gives how many.
  virtual void forget_topic(std::string topic, Position until, Done<Result<std::int64_t>> done) = 0;
  // Claims of a scope, expired or not. Gives how many.
  virtual void forget_scope(std::string scope, Done<Result<std::int64_t>> done) = 0;
};
[[nodiscard]] TopicUpkeep* topic_upkeep(Journal& journal) noexcept;

class CompactionUpkeep {
 public:
  CompactionUpkeep() = default;
  CompactionUpkeep(const CompactionUpkeep&) = delete;
  CompactionUpkeep& operator=(const CompactionUpkeep&) = delete;
  virtual ~CompactionUpkeep() = default;

  // These records of a topic, but for those that a saved cursor of it has not passed, as of the same
  // transaction. Readers do not find them any more, and streams go on, as after
  // TopicUpkeep::forget_topic. Gives how many.
  virtual void forget_records(std::string topic, std::vector<Position> positions,
                              Done<Result<std::int64_t>> done) = 0;
  // The number of the position that every saved cursor of the topic has come to: at most the journal's end.
  virtual void consumed(std::string topic, Done<Result<std::int64_t>> done) = 0;
};
[[nodiscard]] CompactionUpkeep* compaction_upkeep(Journal& journal) noexcept;

class PersonalUpkeep {
 public:
  PersonalUpkeep() = default;
  PersonalUpkeep(const PersonalUpkeep&) = delete;
  PersonalUpkeep& operator=(const PersonalUpkeep&) = delete;
  virtual ~PersonalUpkeep() = default;

  // What is personal, from now on; what is deleted leaves nothing in the files then.
  virtual void set_personal(std::map<std::string, PersonalFields, std::less<>> by_topic) = 0;
  // Who seals it.
  [[nodiscard]] virtual KeyVault& vault() noexcept = 0;
  // Destroys the key of a subject: on disk, and no reader has what it sealed from then on. Gives how many
  // keys there were.
  virtual void erase_key(std::string subject, Done<Result<std::int64_t>> done) = 0;
  // Leaves nothing of what was deleted or written over in any file of the store. Gives 1, or 0 where readers
  // keep the log from being emptied: try again.
  virtual void scrub(Done<Result<std::int64_t>> done) = 0;
};

[[nodiscard]] PersonalUpkeep* personal_upkeep(Journal& journal) noexcept;

}  // namespace flotilla::journal
