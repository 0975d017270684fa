// Pages of several topics made one: of one shard in the order of positions, of several in that of time.
//
// For: a view over more than one topic. Each topic was read by itself, from the same position on, one after
// the other, while the journal went on; so one page may reach farther than another. What is taken ends where
// the first of them ends: behind that, an event of another topic may be missing. Ownership: values. Threads:
// pure. Limits: those of the pages.
#pragma once

#include <cstdint>
#include <vector>

#include "flotilla/cqrs/core/view_io.hpp"

namespace flotilla::cqrs {

struct TopicPage {
  std::vector<ViewEvent> events;  // in the order of positions
  journal::Position read_to;      // there are no others up to here, in its shard
  bool at_end = false;            // nor behind it, when it was read
};

// At most `most` events.
[[nodiscard]] TopicPage merge(std::vector<TopicPage> pages, std::size_t most);

// Of several shards.
struct ShardPages {
  std::vector<ViewEvent> events;
  journal::ReadToken read_to;
  bool at_end = true;
};
// Each page is of one shard, read from `after` on. Events of one shard keep their order; of several, the one
// that was recorded first comes first, as far as the pages reach, but never one before its cause: what one
// publisher did to two topics, one after the other, is folded in that order, if not within the same
// millisecond.
[[nodiscard]] ShardPages merge_shards(std::vector<TopicPage> pages, journal::ReadToken after,
                                      std::size_t most);
// The page is of the moment when its shard ended at `end`: what lies behind was written later, and what it
// does not have up to there is still to come.
void cut(TopicPage& page, journal::Position end);

}  // namespace flotilla::cqrs
