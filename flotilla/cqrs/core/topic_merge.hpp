// Pages of several topics made one, in the order of positions.
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
  std::uint64_t read_to = 0;      // there are no others up to here
  bool at_end = false;            // nor behind it, when it was read
};

// At most `most` events.
[[nodiscard]] TopicPage merge(std::vector<TopicPage> pages, std::size_t most);

}  // namespace flotilla::cqrs
