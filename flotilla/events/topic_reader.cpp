#include "flotilla/events/topic_reader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;

Refusal refusal_of(const Error& error) {
  return {.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
          .detail = error.message,
          .retry_after = std::chrono::seconds(1)};
}

// One shard's part of a wait for several.
net::Task<> wait_in(journal::Journal& journal, std::string topic, journal::Position after, Instant deadline,
                    net::Event& rung, std::optional<Result<bool>>& answer) {
  auto more = co_await journal.wait(RecordClass::topic, std::move(topic), after, deadline);
  if (!answer) {
    answer = std::move(more);
  }
  rung.set();
}

}  // namespace

TopicReader::Place::~Place() {
  if (reader_ != nullptr) {
    --reader_->waiting_;
    reader_->metrics_.waiting.sub();
  }
}

TopicReader::Place TopicReader::take_place() {
  if (waiting_ == kMaxWaiting) {
    metrics_.waiting_refused.add();
    return Place(nullptr);
  }
  ++waiting_;
  metrics_.waiting.add();
  return Place(this);
}

Asked<ReadToken> TopicReader::from(std::string_view text) const {
  const std::uint32_t shards = journal_.shards();
  if (text == "latest") {
    ReadToken token(shards);
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      token.move_to(journal_.position(shard));
    }
    return token;
  }
  auto token = ReadToken::parse(text, shards);
  if (!token) {
    return refuse(Reason::malformed, "from: " + token.error().message);
  }
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    if (!journal_.position(shard).covers(token->at(shard))) {
      return std::unexpected(
          Refusal{.reason = Reason::behind,
                  .detail = fmt::format("from: the journal has not come to {}: it is a position "
                                        "of another one, or newer than its backup",
                                        token->at(shard).text()),
                  .retry_after = std::chrono::seconds(1)});
    }
  }
  return std::move(*token);
}

net::Task<Asked<TopicPage>> TopicReader::read(std::string topic, ReadToken from, std::size_t limit) {
  std::vector<std::uint32_t> lagging;  // shards that have come farther
  for (std::uint32_t shard = 0; shard < from.shards(); ++shard) {
    if (!from.at(shard).covers(journal_.position(shard))) {
      lagging.push_back(shard);
    }
  }
  TopicPage page{.records = {}, .next = std::move(from)};
  std::size_t bytes = kMaxPageBytes;
  for (std::size_t i = 0; i < lagging.size() && limit > 0; ++i) {
    const std::size_t share = lagging.size() - i;
    auto part = co_await journal_.read(journal::CategoryQuery{
        .record_class = RecordClass::topic,
        .category = topic,
        .after = page.next.at(lagging[i]),
        .limits = {.records = std::max<std::size_t>(limit / share, 1), .bytes = bytes / share}});
    if (!part) {
      co_return std::unexpected(refusal_of(part.error()));
    }
    page.next.move_to(part->next);
    limit -= part->records.size();
    for (journal::RecordPtr& record : part->records) {
      bytes -= std::min(bytes, record->record.body.size());
      page.records.push_back(std::move(record));
    }
  }
  co_return page;
}

net::Task<Asked<Done>> TopicReader::wait(std::string topic, ReadToken from, Instant deadline) {
  std::optional<Result<bool>> answer;
  if (from.shards() == 1) {
    answer = co_await journal_.wait(RecordClass::topic, std::move(topic), from.at(0), deadline);
  } else {
    net::Event rung;
    net::Scope waits;
    for (std::uint32_t shard = 0; shard < from.shards() && !answer; ++shard) {
      waits.spawn(wait_in(journal_, topic, from.at(shard), deadline, rung, answer));
    }
    if (!answer) {
      co_await rung.wait();
    }
  }
  if (!*answer) {
    co_return std::unexpected(refusal_of(answer->error()));
  }
  co_return Asked<Done>();
}

net::Task<Asked<TopicPage>> TopicReader::read_or_wait(std::string topic, ReadToken from, std::size_t limit,
                                                      Instant deadline) {
  auto page = co_await read(topic, std::move(from), limit);
  if (!page || !page->records.empty()) {
    co_return page;
  }
  const Place place = take_place();
  if (!place) {
    co_return std::unexpected(
        Refusal{.reason = Reason::overloaded,
                .detail = fmt::format("{} readers wait already, no more can", kMaxWaiting),
                .retry_after = std::chrono::seconds(1)});
  }
  while (page && page->records.empty() && net::Loop::current()->now() < deadline) {
    if (auto waited = co_await wait(topic, page->next, deadline); !waited) {
      co_return std::unexpected(std::move(waited.error()));
    }
    page = co_await read(topic, std::move(page->next), limit);
  }
  co_return page;
}

}  // namespace flotilla::events
