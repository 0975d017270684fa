#include "flotilla/events/kafka_receiver.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

constexpr Duration kCloseLook = std::chrono::milliseconds(10);
constexpr Duration kOpenPause = std::chrono::seconds(5);
constexpr std::size_t kEventOverhead = 512;  // bytes, about: of an event beside its data

}  // namespace

KafkaReceiver::KafkaReceiver(const KafkaSetting& setting, KafkaInboxCounters& counters,
                             ArrivalCounters& arrivals)
    : setting_(setting),
      core_({}, setting.topics.size(), setting.seed, counters),
      arrivals_(arrivals),
      publisher_(setting.journal, journal::kKafkaTopicScope),
      random_(setting.seed + 1),
      timer_([](void* self) { static_cast<KafkaReceiver*>(self)->feed(kafka_in::Timer{}); }, this) {
  for (TopicIndex i = 0; i < setting_.topics.size(); ++i) {
    indexes_.emplace(setting_.topics[i]->name, i);
  }
}

KafkaReceiver::~KafkaReceiver() = default;

void KafkaReceiver::start() { tasks_.spawn(run()); }

bool KafkaReceiver::open() {
  journal::kafka::Consumer::Options options{
      .access = setting_.access, .group = setting_.group, .from_latest = setting_.from_latest, .topics = {}};
  for (const TopicPtr& topic : setting_.topics) {
    options.topics.push_back(topic->name);
  }
  auto opened = journal::kafka::Consumer::open(
      options, setting_.loop, setting_.reaper,
      {.on_assigned =
           [this](std::vector<journal::kafka::PartitionOffset> partitions) {
             kafka_in::Assigned in;
             for (const auto& each : partitions) {
               if (const auto found = indexes_.find(each.topic); found != indexes_.end()) {
                 in.partitions.push_back({.topic = found->second, .partition = each.partition});
               }
             }
             log::info("kafka: {} partitions are read as group {}", in.partitions.size(), setting_.group);
             feed(std::move(in));
           },
       .on_revoked = [this](bool lost) { feed(kafka_in::Revoked{.lost = lost}); },
       .on_message = [this](journal::kafka::Incoming message) { on_message(std::move(message)); },
       .on_committed =
           [this](bool done, const std::string& why) {
             if (!done && why != trouble_) {
               log::warning("kafka: how far topics are kept is not committed: {}; it is tried again", why);
               trouble_ = why;
             }
             feed(kafka_in::Committed{.done = done});
           },
       .on_trouble =
           [this](const std::string& why) {
             if (why != trouble_) {
               log::warning("kafka: reading: {}", why);
               trouble_ = why;
             }
           },
       .on_closed =
           [this] {
             closed_ = true;
             ended_.set();
           }});
  if (!opened) {
    log::error("kafka: {}", opened.error().message);
    trouble_ = std::move(opened.error().message);
    return false;
  }
  consumer_ = std::move(*opened);
  return true;
}

net::Task<> KafkaReceiver::run() {
  while (!open()) {
    co_await net::sleep_for(setting_.loop, kOpenPause);
  }
  for (;;) {
    co_await net::sleep_for(setting_.loop, journal::kafka::kLookEvery);
    consumer_->look();
  }
}

net::Task<> KafkaReceiver::drain(Instant deadline) {
  if (consumer_ == nullptr) {
    co_return;
  }
  feed(kafka_in::Drain{});
  while (!drained_ && setting_.loop.now() < deadline) {
    co_await ended_.wait(deadline);
  }
  consumer_->close();
  while (!closed_ && setting_.loop.now() < deadline) {
    co_await ended_.wait(std::min(deadline, saturating_add(setting_.loop.now(), kCloseLook)));
    consumer_->look();
  }
}

void KafkaReceiver::feed(kafka_in::Input input) {
  inputs_.push_back(std::move(input));
  work();
}

void KafkaReceiver::work() {
  if (std::exchange(working_, true)) {
    return;
  }
  while (!inputs_.empty()) {
    kafka_in::Input input = std::move(inputs_.front());
    inputs_.pop_front();
    for (kafka_in::Effect& effect : core_.feed(std::move(input), setting_.loop.now())) {
      std::visit([this](auto& ask) { carry_out(ask); }, effect);
    }
  }
  if (consumer_) {
    consumer_->hold(!core_.wants_more());
  }
  working_ = false;
}

void KafkaReceiver::on_message(journal::kafka::Incoming message) {
  const auto found = indexes_.find(message.topic);
  if (found == indexes_.end()) {
    return;
  }
  trouble_.clear();
  const std::size_t bytes = message.value.size() + kEventOverhead;
  kafka_in::Arrived in{.partition = {.topic = found->second, .partition = message.partition},
                       .offset = message.offset,
                       .arrival = nullptr,
                       .bytes = bytes};
  in.arrival = arrival_of(found->second, std::move(message));
  feed(std::move(in));
}

KafkaArrivalPtr KafkaReceiver::arrival_of(TopicIndex index, journal::kafka::Incoming message) {
  const Topic& topic = *setting_.topics[index];
  const std::string place = fmt::format("{}/{}/{}", message.topic, message.partition, message.offset);
  ReceivedEvent received = from_kafka(std::move(message), setting_.group);
  if (received.kind == ReceivedEvent::Kind::echo) {
    return nullptr;
  }
  const bool wrapped = received.kind != ReceivedEvent::Kind::event;
  std::string why = std::move(received.why);
  if (why.empty()) {
    auto complete_event = complete(topic, received.event, {}, net::wall_now(), random_);
    if (complete_event) {
      (wrapped ? arrivals_.wrapped : arrivals_.events).add();
      complete_event->own_id = false;
      return std::make_shared<const KafkaArrival>(
          KafkaArrival{.event = std::move(*complete_event), .dead = false});
    }
    why = std::move(complete_event.error().detail);
  }
  arrivals_.dead.add();
  log::warning("kafka: the message {} is no event of its topic and becomes a dead letter: {}", place, why);
  received.event.attributes.emplace_back("kafkamessage", place);
  KafkaArrival letter{
      .event = {.event = dead_letter_of(
                    received.event, {.subscription = "kafka", .topic = topic.name, .position = {}},
                    {.reason = DeadReason::broken, .code = "invalid", .body = why, .attempts = 1})},
      .dead = true};
  return std::make_shared<const KafkaArrival>(std::move(letter));
}

void KafkaReceiver::carry_out(kafka_in::Append& ask) { tasks_.spawn(append(std::move(ask))); }

net::Task<Asked<Publication>> KafkaReceiver::keep(TopicPtr topic, std::vector<CompleteEvent> events) {
  if (events.empty()) {
    co_return Publication{};
  }
  auto kept = co_await publisher_.publish(std::move(topic), std::move(events), net::wall_now());
  if (kept) {
    arrivals_.duplicates.add(
        static_cast<std::uint64_t>(std::ranges::count(kept->events, true, &PublishedEvent::duplicate)));
  }
  co_return kept;
}

net::Task<> KafkaReceiver::append(kafka_in::Append ask) {
  const TopicPtr topic = setting_.topics[ask.topic];
  std::vector<CompleteEvent> events;
  std::vector<CompleteEvent> dead;
  for (const KafkaArrivalPtr& arrival : ask.arrivals) {
    (arrival->dead ? dead : events).push_back(arrival->event);
  }
  auto kept = co_await keep(topic, std::move(events));
  if (kept) {
    kept = co_await keep(default_topic(kafka_dead_topic(topic->name)), std::move(dead));
  }
  if (kept) {
    feed(kafka_in::Appended{.topic = ask.topic});
  } else {
    feed(kafka_in::AppendFailed{.topic = ask.topic, .why = std::move(kept.error().detail)});
  }
}

void KafkaReceiver::carry_out(kafka_in::Commit& ask) {
  std::vector<journal::kafka::PartitionOffset> offsets;
  for (const kafka_in::Commit::Offset& each : ask.offsets) {
    offsets.push_back({.topic = setting_.topics[each.partition.topic]->name,
                       .partition = each.partition.partition,
                       .offset = each.next});
  }
  consumer_->commit(offsets);
}

void KafkaReceiver::carry_out(kafka_in::Release& /*ask*/) { consumer_->release(); }

void KafkaReceiver::carry_out(kafka_in::Wake& ask) {
  if (ask.at == kNever) {
    timer_.disarm();
  } else {
    setting_.loop.arm(timer_, ask.at);
  }
}

void KafkaReceiver::carry_out(kafka_in::Alert& ask) {
  log::warning("kafka: what came of topic {} is not kept yet: {}",
               ask.topic ? setting_.topics[*ask.topic]->name : std::string("-"), ask.why);
}

void KafkaReceiver::carry_out(kafka_in::Drained& /*ask*/) {
  drained_ = true;
  ended_.set();
}

}  // namespace flotilla::events
