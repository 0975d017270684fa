// Publishing: events into the journal, each (source, id) of a topic once, a batch at once or not at all.
//
// A topic's publications go to one shard of the journal, its home, so that all of one key keep their order;
// what sagas publish lies in the shards of the sagas, what choreographies publish in theirs. An event whose
// id the producer gave claims it for kKeepIds; one that is there already is not kept again and reported as a
// duplicate. Ownership: the journal outlives it. Threads: one loop's. Limits: those of a Batch; a publication
// tries again at most once for each of its events and once for its topic.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/completion.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

inline constexpr Duration kKeepIds = std::chrono::days(7);

struct PublishedEvent {
  std::string id;
  // Of a duplicate: how far the journal had come when it was found to be one.
  journal::Position position;
  bool duplicate = false;
};
struct Publication {
  journal::Position position;  // all of its events are at it or before
  std::vector<PublishedEvent> events;
};

// The shard to which publications of that topic go; the same in every process, for ever.
[[nodiscard]] std::uint32_t home_shard(std::string_view topic, std::uint32_t shards) noexcept;

class Publisher {
 public:
  // `scope`: in which the topics' streams are found (journal/core/topic.hpp).
  explicit Publisher(journal::Journal& journal, std::string_view scope = journal::kTopicScope) noexcept
      : journal_(journal), scope_(scope) {}

  [[nodiscard]] journal::Journal& journal() const noexcept { return journal_; }

  // Answers once they are durable. The topic's home shard is ours, or was a moment ago. Errors: too_large,
  // overloaded, store_unavailable; nothing was kept, but where the message says that it is not known.
  [[nodiscard]] net::Task<Asked<Publication>> publish(TopicPtr topic, std::vector<CompleteEvent> events,
                                                      WallTime now);
  // ... into a shard whose lease the publisher has for another reason.
  [[nodiscard]] net::Task<Asked<Publication>> publish_in(std::uint32_t shard, TopicPtr topic,
                                                         std::vector<CompleteEvent> events, WallTime now);

 private:
  struct Pending;
  [[nodiscard]] journal::Batch make_batch(const Pending& pending) const;
  // Takes out of it what is kept already.
  [[nodiscard]] net::Task<Result<>> drop_duplicates(Pending& pending);

  journal::Journal& journal_;
  const std::string_view scope_;
  std::map<std::string, journal::StreamId, std::less<>> streams_;  // of topics, in their home shards
};

}  // namespace flotilla::events
