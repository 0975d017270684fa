// How a view reads: its topics' records, shard by shard, and waiting for more.
#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/cqrs/refusal.hpp"
#include "flotilla/cqrs/view_shell.hpp"
#include "flotilla/journal/moment.hpp"

namespace flotilla::cqrs {
namespace {

using journal::RecordClass;

constexpr Duration kReadAgain = std::chrono::seconds(1);
// How long one wait for new events lasts at most; then it is told how far the journal has come.
constexpr Duration kFetchWait = std::chrono::seconds(5);

}  // namespace

net::Task<> ViewShell::fetch(effect::Fetch fetch) {
  const std::uint64_t life = life_;
  const auto wanted = [&] { return !is_over(life) && readings_[fetch.generation].fetch == fetch.fetch; };
  journal::ReadToken after = fetch.after;  // nothing that is wanted lies between
  for (bool told = false; wanted();) {
    const bool asked = std::exchange(readings_[fetch.generation].asked, false);
    auto page = co_await read_shards(fetch, after);
    if (!wanted()) {
      co_return;
    }
    if (page) {
      Reading& reading = readings_[fetch.generation];
      if (page->events.empty() && page->at_end && reading.told_end && !asked) {
        after = page->read_to;
        co_await wait_for_more(fetch, after);
        continue;
      }
      reading.told_end = page->at_end;
      feed(input::Arrived{.generation = fetch.generation,
                          .fetch = fetch.fetch,
                          .events = std::move(page->events),
                          .read_to = page->read_to,
                          .at_end = page->at_end});
      co_return;
    }
    if (!passes(page.error())) {
      fail_for_good(std::move(page.error().message));
      co_return;
    }
    if (!std::exchange(told, true)) {
      log::error("view {}: its topics cannot be read yet: {}", definition_->name, page.error().message);
    }
    co_await net::sleep_for(loop_, kReadAgain);
  }
}

// All shards as they were at one moment: what was written after something that is seen is not seen without
// it.
net::Task<Result<ShardPages>> ViewShell::read_shards(const effect::Fetch& fetch, journal::ReadToken after) {
  if (journal_.shards() == 1) {
    auto page = co_await read_topics(fetch.topics, after.at(0), fetch.events);
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    after.advance_to(page->read_to);
    co_return ShardPages{
        .events = std::move(page->events), .read_to = std::move(after), .at_end = page->at_end};
  }
  const auto ends = co_await journal::positions(journal_);
  if (!ends) {
    co_return std::unexpected(ends.error());
  }
  std::vector<TopicPage> pages;
  for (std::uint32_t shard = 0; shard < ends->shards(); ++shard) {
    const journal::Position end = ends->at(shard);
    if (after.covers(end)) {
      continue;
    }
    auto page = co_await read_topics(fetch.topics, after.at(shard), fetch.events);
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    cut(*page, end);
    pages.push_back(std::move(*page));
  }
  co_return merge_shards(std::move(pages), std::move(after), fetch.events);
}

net::Task<Result<TopicPage>> ViewShell::read_topics(const std::vector<std::string>& topics,
                                                    journal::Position after, std::size_t most) {
  std::vector<TopicPage> pages;
  for (const std::string& topic : topics) {
    auto page = co_await journal_.read(journal::CategoryQuery{
        .record_class = RecordClass::topic, .category = topic, .after = after, .limits = {.records = most}});
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    TopicPage read{.events = {}, .read_to = page->next, .at_end = page->at_end};
    for (const journal::RecordPtr& stored : page->records) {
      auto event = journal::decode_event(stored->record.body);
      if (!event) {
        co_return fail(event.error().code,
                       fmt::format("the record at position {} of topic {} cannot be read: {}",
                                   stored->position.text(), topic, event.error().message));
      }
      read.events.push_back({.position = stored->position,
                             .recorded_ms = stored->record.time.value(),
                             .event = std::make_shared<const journal::Event>(std::move(*event)),
                             .topic = topic});
    }
    pages.push_back(std::move(read));
  }
  co_return merge(std::move(pages), most);
}

net::Task<> ViewShell::wait_for_more(const effect::Fetch& fetch, journal::ReadToken after) {
  Bell bell;
  readings_[fetch.generation].bell = &bell;
  const auto leave = [this, generation = fetch.generation](Bell* of) {
    const auto found = readings_.find(generation);
    if (found != readings_.end() && found->second.bell == of) {
      found->second.bell = nullptr;
    }
  };
  const std::unique_ptr<Bell, decltype(leave)> leaving(&bell, leave);
  const Instant deadline = saturating_add(loop_.now(), kFetchWait);
  net::Scope waits;
  if (after.shards() == 1) {
    for (const std::string& topic : fetch.topics) {
      waits.spawn(ring_when_more(topic, after.at(0), deadline, bell));
    }
  } else {  // for any topic: fewer wait
    for (std::uint32_t shard = 0; shard < after.shards(); ++shard) {
      waits.spawn(ring_when_more({}, after.at(shard), deadline, bell));
    }
  }
  if (!bell.rung && !co_await bell.event.wait(deadline)) {
    readings_[fetch.generation].asked = true;
  }
}

net::Task<> ViewShell::ring_when_more(std::string topic, journal::Position after, Instant deadline,
                                      Bell& bell) {
  const auto more = co_await journal_.wait(RecordClass::topic, std::move(topic), after, deadline);
  if (more && *more) {
    bell.ring();
  }  // else the deadline, or too many wait: then it is looked at when the time has passed
}

}  // namespace flotilla::cqrs
