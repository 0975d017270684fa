#include "flotilla/cqrs/core/topic_merge.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/causal_order.hpp"

namespace flotilla::cqrs {

TopicPage merge(std::vector<TopicPage> pages, std::size_t most) {
  FLOTILLA_ASSERT(!pages.empty() && most > 0);
  TopicPage merged{.events = {}, .read_to = pages.front().read_to, .at_end = true};
  for (const TopicPage& page : pages) {
    if (!page.read_to.covers(merged.read_to)) {
      merged.read_to = page.read_to;
    }
    merged.at_end = merged.at_end && page.at_end;
  }
  for (TopicPage& page : pages) {
    std::ranges::move(page.events, std::back_inserter(merged.events));
  }
  const auto number = [](const ViewEvent& event) { return event.position.number(); };
  std::ranges::sort(merged.events, {}, number);
  const auto beyond = std::ranges::upper_bound(merged.events, merged.read_to.number(), {}, number);
  merged.at_end = merged.at_end && beyond == merged.events.end();
  merged.events.erase(beyond, merged.events.end());
  if (merged.events.size() > most) {
    merged.events.resize(most);
    merged.read_to = merged.events.back().position;
    merged.at_end = false;
  }
  return merged;
}

void cut(TopicPage& page, journal::Position end) {
  const auto beyond = std::ranges::find_if(
      page.events, [end](const ViewEvent& event) { return event.position.number() > end.number(); });
  page.events.erase(beyond, page.events.end());
  if (page.read_to.covers(end)) {
    page.read_to = end;
    page.at_end = true;
  } else {
    page.at_end = false;
  }
}

namespace {

void set_order(std::vector<TopicPage>& pages) {
  std::vector<journal::Moment> moments;
  for (const TopicPage& page : pages) {
    for (const ViewEvent& event : page.events) {
      moments.push_back({.shard = event.position.shard(), .ms = event.recorded_ms, .id = {}, .cause = {}});
      if (event.event) {
        moments.back().id = event.event->attribute("id");
        moments.back().cause = event.event->attribute("causationid");
      }
    }
  }
  journal::settle_order(moments);
  std::size_t next = 0;
  for (TopicPage& page : pages) {
    for (ViewEvent& event : page.events) {
      event.order_ms = moments[next++].ms;
    }
  }
}

}  // namespace

ShardPages merge_shards(std::vector<TopicPage> pages, journal::ReadToken after, std::size_t most) {
  ShardPages merged{.events = {}, .read_to = std::move(after), .at_end = true};
  set_order(pages);
  std::vector<std::size_t> next(pages.size(), 0);
  while (merged.events.size() < most) {
    std::size_t first = pages.size();
    bool known = true;
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const std::vector<ViewEvent>& events = pages[i].events;
      if (next[i] == events.size()) {
        known = known && pages[i].at_end;  // else an earlier one may come
      } else if (first == pages.size() ||
                 events[next[i]].order_ms < pages[first].events[next[first]].order_ms) {
        first = i;
      }
    }
    if (first == pages.size() || !known) {
      break;
    }
    ViewEvent& event = pages[first].events[next[first]++];
    merged.read_to.advance_to(event.position);
    merged.events.push_back(std::move(event));
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const bool all = next[i] == pages[i].events.size();
    if (all) {
      merged.read_to.advance_to(pages[i].read_to);
    }
    merged.at_end = merged.at_end && all && pages[i].at_end;
  }
  return merged;
}

}  // namespace flotilla::cqrs
