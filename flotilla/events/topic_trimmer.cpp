#include "flotilla/events/topic_trimmer.hpp"

#include <utility>

#include "flotilla/events/topic_retention.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/journal/topic_sizes.hpp"
#include "flotilla/journal/topic_upkeep.hpp"

namespace flotilla::events {
namespace {

using telemetry::Family;

constexpr Family kBytes{"flotilla_events_topic_bytes",
                        "Bytes of events that a topic with retain_size has, as far as it was weighed."};
constexpr Family kTrimmed{"flotilla_events_trimmed_total",
                          "Events removed because their topic had more bytes than its retain_size."};

}  // namespace

void TopicTrimmer::set_topics(const std::vector<TopicPtr>& topics) {
  std::map<std::string, PartPtr> parts;
  for (const TopicPtr& topic : topics) {
    const std::uint64_t limit = retention_of(*topic).size;
    if (limit == 0) {
      continue;
    }
    const auto known = parts_.find(topic->name);
    const bool same = known != parts_.end() && known->second->engine.limit() == limit;
    parts.emplace(topic->name, same ? known->second : std::make_shared<Part>(limit));
  }
  parts_ = std::move(parts);
}

net::Task<Result<>> TopicTrimmer::tend() {
  if (parts_.empty() || journal::topic_sizes(journal_) == nullptr) {
    co_return Result<>();
  }
  // A reload may replace them meanwhile.
  std::vector<std::pair<std::string, PartPtr>> order(parts_.lower_bound(turn_), parts_.end());
  order.insert(order.end(), parts_.begin(), parts_.lower_bound(turn_));
  std::size_t steps = kSteps;
  for (const auto& [topic, part] : order) {
    turn_ = topic;
    auto worked = co_await work(topic, part, steps);
    if (!worked || part->open) {
      co_return worked;  // goes on with it
    }
  }
  co_return Result<>();
}

net::Task<Result<>> TopicTrimmer::look(std::string topic, PartPtr part) {
  const std::uint64_t end = journal_.position().number();
  const std::uint64_t generation = journal::topic_sizes(journal_)->removals(topic);
  if (!part->engine.may_look(end, generation)) {
    co_return Result<>();
  }
  journal::Reply<Result<std::int64_t>> reply;
  journal::compaction_upkeep(journal_)->consumed(std::move(topic), reply.send());
  const auto floor = co_await reply;
  if (!floor) {
    co_return std::unexpected(floor.error());
  }
  part->open = part->engine.step(
      sizing::Look{.end = end, .floor = static_cast<std::uint64_t>(*floor), .generation = generation});
  co_return Result<>();
}

net::Task<Result<>> TopicTrimmer::work(std::string topic, PartPtr part, std::size_t& steps) {
  if (!part->open) {
    auto looked = co_await look(topic, part);
    if (!looked) {
      co_return looked;
    }
  }
  for (; part->open && steps > 0; --steps) {
    auto answer = co_await carry_out(topic, part, *part->open);
    if (!answer) {
      part->open = part->engine.step(sizing::Failed{});
      co_return std::unexpected(std::move(answer.error()));
    }
    if (*answer) {
      part->open = part->engine.step(**answer);
    }
  }
  co_return Result<>();
}

net::Task<Result<std::optional<sizing::Input>>> TopicTrimmer::carry_out(std::string topic, PartPtr part,
                                                                        sizing::Effect effect) {
  journal::TopicSizes& sizes = *journal::topic_sizes(journal_);
  if (const auto* const weigh = std::get_if<sizing::Weigh>(&effect)) {
    journal::Reply<Result<journal::TopicWeight>> reply;
    sizes.weigh(std::move(topic), journal::Position(weigh->after), weigh->bytes, reply.send());
    const auto weight = co_await reply;
    if (!weight) {
      co_return std::unexpected(weight.error());
    }
    co_return sizing::Weighed{
        .until = weight->until.number(), .bytes = weight->bytes, .at_end = weight->at_end};
  }
  journal::Reply<Result<std::int64_t>> reply;
  sizes.forget_oldest(std::move(topic), journal::Position(std::get<sizing::Remove>(effect).until),
                      reply.send());
  const auto gone = co_await reply;
  if (!gone) {
    co_return std::unexpected(gone.error());
  }
  part->removed += static_cast<std::uint64_t>(*gone);
  co_return *gone > 0 ? std::optional<sizing::Input>() : sizing::Removed{};
}

void TopicTrimmer::collect(telemetry::MetricsPage& page) const {
  for (const auto& [topic, part] : parts_) {
    page.gauge(kBytes, {{"topic", topic}}, static_cast<double>(part->engine.bytes()));
    page.counter(kTrimmed, {{"topic", topic}}, part->removed);
  }
}

}  // namespace flotilla::events
