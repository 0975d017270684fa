#include "flotilla/cqrs/core/topic_merge.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::cqrs {

TopicPage merge(std::vector<TopicPage> pages, std::size_t most) {
  FLOTILLA_ASSERT(!pages.empty() && most > 0);
  TopicPage merged{.events = {}, .read_to = pages.front().read_to, .at_end = true};
  for (const TopicPage& page : pages) {
    merged.read_to = std::min(merged.read_to, page.read_to);
    merged.at_end = merged.at_end && page.at_end;
  }
  for (TopicPage& page : pages) {
    std::ranges::move(page.events, std::back_inserter(merged.events));
  }
  std::ranges::sort(merged.events, {}, &ViewEvent::position);
  const auto beyond = std::ranges::upper_bound(merged.events, merged.read_to, {}, &ViewEvent::position);
  merged.at_end = merged.at_end && beyond == merged.events.end();
  merged.events.erase(beyond, merged.events.end());
  if (merged.events.size() > most) {
    merged.events.resize(most);
    merged.read_to = merged.events.back().position;
    merged.at_end = false;
  }
  return merged;
}

}  // namespace flotilla::cqrs
