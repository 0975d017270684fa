// What a store can tell of the size of topics, and take out of them for it.
//
// For: events, for retention by size. Not every store can: topic_sizes() gives null then.
// Ownership: part of its journal. Threads: as of Journal; callbacks must not block. Limits: kMaxForgotten and
// kMaxWeighed records a call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/reply.hpp"

namespace flotilla::journal {

class Journal;

inline constexpr std::size_t kMaxWeighed = 10'000;  // records

// Some events of a topic that follow each other.
struct TopicWeight {
  Position until;           // the last one's; where there is none, what they were asked to follow
  std::uint64_t bytes = 0;  // on disk
  bool at_end = false;      // no event follows
};

class TopicSizes {
 public:
  TopicSizes() = default;
  TopicSizes(const TopicSizes&) = delete;
  TopicSizes& operator=(const TopicSizes&) = delete;
  virtual ~TopicSizes() = default;

  // The records behind `after`, until they have `bytes` bytes; at most kMaxWeighed.
  virtual void weigh(std::string topic, Position after, std::uint64_t bytes,
                     Done<Result<TopicWeight>> done) = 0;
  // The oldest records of a topic at or before `until`, but for those that a saved cursor of it has not
  // passed, as of the same transaction. Repeat it until it gives 0: how many.
  virtual void forget_oldest(std::string topic, Position until, Done<Result<std::int64_t>> done) = 0;
  // How often others than forget_oldest() have removed records of the topic, or may have.
  [[nodiscard]] virtual std::uint64_t removals(std::string_view topic) const = 0;
};

[[nodiscard]] TopicSizes* topic_sizes(Journal& journal) noexcept;

}  // namespace flotilla::journal
