// Reading a topic: pages in order, and waiting for more.
//
// A topic's events lie in several shards of the journal; each shard's come in the order of their positions,
// and shards take turns, so that none is starved. Ownership: the journal outlives it. Threads: one loop's;
// waiting costs nothing until the journal rings. Limits: below; at kMaxWaiting a reader that would wait is
// refused with overloaded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/read_token.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/event_metrics.hpp"
#include "flotilla/journal/journal.hpp"

namespace flotilla::events {

inline constexpr std::size_t kDefaultEvents = 100;
inline constexpr std::size_t kMaxEvents = 1000;
inline constexpr std::size_t kMaxPageBytes = std::size_t{4} << 20;  // of events; one always fits
inline constexpr Duration kMaxWait = std::chrono::seconds(60);
inline constexpr std::size_t kMaxWaiting = 1024;

struct TopicPage {
  std::vector<journal::RecordPtr> records;
  ReadToken next;
};

class TopicReader {
 public:
  TopicReader(journal::Journal& journal, EventMetrics& metrics) noexcept
      : journal_(journal), metrics_(metrics) {}

  // `0`, `latest`, or a token. Errors: malformed; behind (the journal has not come that far: a position of
  // another one, or newer than the backup that was restored).
  [[nodiscard]] Asked<ReadToken> from(std::string_view text) const;

  // What there is behind `from`, at most `limit` events; perhaps nothing. Errors: overloaded,
  // store_unavailable.
  [[nodiscard]] net::Task<Asked<TopicPage>> read(std::string topic, ReadToken from, std::size_t limit);

  // The same, but waits for the first event until `deadline`.
  [[nodiscard]] net::Task<Asked<TopicPage>> read_or_wait(std::string topic, ReadToken from, std::size_t limit,
                                                         Instant deadline);

  // A place among those that wait, as long as it lives; none where there are kMaxWaiting.
  class Place {
   public:
    explicit Place(TopicReader* reader) noexcept : reader_(reader) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place();
    [[nodiscard]] explicit operator bool() const noexcept { return reader_ != nullptr; }

   private:
    TopicReader* reader_;
  };
  [[nodiscard]] Place take_place();

  // Until there may be something behind `from`, or the deadline passes. Errors: overloaded.
  [[nodiscard]] net::Task<Asked<Done>> wait(std::string topic, ReadToken from, Instant deadline);

 private:
  journal::Journal& journal_;
  EventMetrics& metrics_;
  std::size_t waiting_ = 0;
};

}  // namespace flotilla::events
