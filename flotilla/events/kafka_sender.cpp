#include "flotilla/events/kafka_sender.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/events/core/kafka_message.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using journal::kafka::Delivery;

constexpr Duration kReadPause = std::chrono::seconds(1);
constexpr std::size_t kPageRecords = 500;
constexpr std::size_t kPageBytes = std::size_t{256} << 10;
// Positions of other topics after which a quiet one's mark moves, too.
constexpr std::uint64_t kQuiet = 1024;
constexpr std::string_view kDead = ".dead";
constexpr int kPositionBits = 48;

journal::UtcMillis utc_now() { return journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000); }

std::uint64_t token_of(TopicIndex topic, std::uint64_t position) {
  FLOTILLA_ASSERT(position >> kPositionBits == 0);
  return static_cast<std::uint64_t>(topic) << kPositionBits | position;
}

std::vector<std::string> nothing(std::size_t count) { return std::vector<std::string>(count); }

}  // namespace

std::string kafka_dead_topic(std::string_view topic) {
  return std::string(topic.substr(0, kMaxTopicName - kDead.size())) + std::string(kDead);
}
bool is_bridged(std::string_view topic) noexcept { return !topic.ends_with(kDead); }

KafkaSender::KafkaSender(const KafkaSetting& setting, KafkaOutboxCounters& counters)
    : setting_(setting),
      core_({}, setting.topics.size(), setting.seed, counters),
      dead_letters_(setting.journal),
      timer_([](void* self) { static_cast<KafkaSender*>(self)->feed(kafka_out::Timer{}); }, this),
      topic_troubles_(nothing(setting.topics.size())) {}

KafkaSender::~KafkaSender() { *alive_ = false; }

void KafkaSender::start() { tasks_.spawn(load()); }

std::string KafkaSender::cursor_name(TopicIndex topic) const {
  return "kafka/out/" + setting_.topics[topic]->name;
}

net::Task<> KafkaSender::load() {
  kafka_out::Load in;
  for (TopicIndex i = 0; i < setting_.topics.size();) {
    const auto cursor = co_await setting_.journal.cursor(cursor_name(i));
    if (!cursor) {
      log::error("kafka: how far topic {} was sent cannot be read yet: {}", setting_.topics[i]->name,
                 cursor.error().message);
      co_await net::sleep_for(setting_.loop, kReadPause);
      continue;
    }
    in.marks.push_back(*cursor ? (*cursor)->position.number() : 0);
    ++i;
  }
  loaded_ = true;
  feed(std::move(in));
}

net::Task<> KafkaSender::drain(Instant deadline) {
  if (!loaded_) {
    co_return;
  }
  feed(kafka_out::Drain{});
  while (!drained_ && setting_.loop.now() < deadline) {
    co_await drained_event_.wait(deadline);
  }
}

void KafkaSender::feed(kafka_out::Input input) {
  inputs_.push_back(std::move(input));
  work();
}

void KafkaSender::work() {
  if (std::exchange(working_, true)) {
    return;
  }
  for (;;) {
    if (!inputs_.empty()) {
      kafka_out::Input input = std::move(inputs_.front());
      inputs_.pop_front();
      carry_out(core_.feed(std::move(input), setting_.loop.now()));
      continue;
    }
    const auto order = core_.next();
    if (!order) {
      break;
    }
    send(*order);
  }
  working_ = false;
}

void KafkaSender::send(const KafkaOutbox::Order& order) {
  auto taken =
      producer_ == nullptr
          ? std::pair(Delivery::lost, std::string("there is no producer"))
          : producer_->send(to_kafka(setting_.topics[order.topic]->name, *order.event, setting_.group),
                            token_of(order.topic, order.position));
  carry_out(core_.took(order, taken.first, std::move(taken.second), setting_.loop.now()));
}

void KafkaSender::carry_out(kafka_out::Effects effects) {
  for (kafka_out::Effect& effect : effects) {
    std::visit([this](auto& ask) { carry_out(ask); }, effect);
  }
}

void KafkaSender::carry_out(kafka_out::Open& ask) {
  const auto guarded = [this, alive = alive_](auto call) {
    return [this, alive, call]<class... Args>(Args&&... args) {
      if (*alive) {
        call(*this, std::forward<Args>(args)...);
      }
    };
  };
  auto opened = journal::kafka::Producer::open(
      setting_.access, setting_.loop, setting_.reaper,
      {.on_delivery = guarded([session = ask.session](KafkaSender& self, std::uint64_t token,
                                                      Delivery delivery, std::string why) {
         const TopicIndex topic = token >> kPositionBits;
         if (delivery == Delivery::confirmed) {
           self.trouble_.clear();
           self.topic_troubles_[topic].clear();
         }
         self.feed(kafka_out::Delivered{.session = session,
                                        .topic = topic,
                                        .position = token & ((std::uint64_t{1} << kPositionBits) - 1),
                                        .delivery = delivery,
                                        .why = std::move(why)});
       }),
       .on_fatal = guarded([session = ask.session](KafkaSender& self, std::string why) {
         self.feed(kafka_out::SessionLost{.session = session, .why = std::move(why)});
       }),
       .on_trouble = guarded([](KafkaSender& self, std::string why) {
         if (self.trouble_.empty()) {
           log::warning("kafka: no broker is reached, events wait in the journal: {}", why);
         }
         self.trouble_ = std::move(why);
       })});
  if (!opened) {
    feed(kafka_out::OpenFailed{.session = ask.session, .why = std::move(opened.error().message)});
    return;
  }
  producer_ = std::move(*opened);
  feed(kafka_out::Opened{.session = ask.session});
}

// Not here: it may be the one that calls.
void KafkaSender::carry_out(kafka_out::Close& /*ask*/) {
  setting_.loop.post([gone = std::move(producer_)] {});
}

void KafkaSender::carry_out(kafka_out::Wake& ask) {
  if (ask.at == kNever) {
    timer_.disarm();
  } else {
    setting_.loop.arm(timer_, ask.at);
  }
}

void KafkaSender::carry_out(kafka_out::Alert& ask) {
  std::string& trouble = ask.topic ? topic_troubles_[*ask.topic] : trouble_;
  if (trouble != ask.why) {
    log::warning("kafka: {}: {}; it is tried again",
                 ask.topic ? "topic " + setting_.topics[*ask.topic]->name : std::string("sending"), ask.why);
  }
  trouble = std::move(ask.why);
}

void KafkaSender::carry_out(kafka_out::Drained& /*ask*/) {
  drained_ = true;
  drained_event_.set();
}

void KafkaSender::carry_out(kafka_out::Fetch& ask) { tasks_.spawn(fetch(ask.topic, ask.after)); }
void KafkaSender::carry_out(kafka_out::Bury& ask) { tasks_.spawn(bury(std::move(ask))); }
void KafkaSender::carry_out(kafka_out::Save& ask) { tasks_.spawn(save(std::move(ask.marks))); }

net::Task<> KafkaSender::fetch(TopicIndex topic, std::uint64_t after) {
  const std::string& name = setting_.topics[topic]->name;
  const std::uint64_t asked = after;
  bool told = false;
  for (;;) {
    const auto page = co_await setting_.journal.read(
        journal::CategoryQuery{.record_class = journal::RecordClass::topic,
                               .category = name,
                               .after = journal::Position(after),
                               .limits = {.records = kPageRecords, .bytes = kPageBytes}});
    if (page && (!page->records.empty() || page->next.number() >= asked + kQuiet)) {
      auto events = co_await sort_out(topic, *page);
      if (events) {
        feed(
            kafka_out::Arrived{.topic = topic, .events = std::move(*events), .read_to = page->next.number()});
      }
      co_return;
    }
    if (page) {
      after = std::max(after, page->next.number());
    }
    const auto come = page ? co_await setting_.journal.wait(journal::RecordClass::topic, name,
                                                            journal::Position(after), kNever)
                           : Result<bool>(std::unexpected(page.error()));
    if (!come) {
      if (!std::exchange(told, true)) {
        log::error("kafka: topic {} cannot be read yet: {}", name, come.error().message);
      }
      co_await net::sleep_for(setting_.loop, kReadPause);
    }
  }
}

net::Task<std::optional<std::vector<JournalEvent>>> KafkaSender::sort_out(TopicIndex topic,
                                                                          const journal::Page& page) {
  std::vector<JournalEvent> events;
  events.reserve(page.records.size());
  for (const journal::RecordPtr& stored : page.records) {
    JournalEvent out{.position = stored->position.number(),
                     .foreign = co_await is_foreign(topic, stored->record.stream),
                     .event = nullptr,
                     .bytes = stored->record.body.size()};
    if (!out.foreign) {
      auto event = journal::decode_event(stored->record.body);
      if (!event) {
        topic_troubles_[topic] = event.error().message;
        log::error("kafka: topic {} stops at position {}, which cannot be read: {}",
                   setting_.topics[topic]->name, stored->position.text(), event.error().message);
        co_return std::nullopt;
      }
      out.event = std::make_shared<const journal::Event>(std::move(*event));
    }
    events.push_back(std::move(out));
  }
  co_return events;
}

net::Task<bool> KafkaSender::is_foreign(TopicIndex topic, journal::StreamId stream) {
  const auto known = streams_.find(stream);
  if (known != streams_.end()) {
    co_return known->second;
  }
  for (;;) {
    const auto holder = co_await setting_.journal.find(
        std::string(journal::kKafkaTopicScope),
        journal::topic_key(setting_.topics[topic]->name, 0, setting_.journal.shards()));
    if (holder) {
      const bool foreign = *holder && (*holder)->stream == stream;
      streams_.emplace(stream, foreign);
      co_return foreign;
    }
    co_await net::sleep_for(setting_.loop, kReadPause);
  }
}

net::Task<> KafkaSender::bury(kafka_out::Bury ask) {
  const std::string& topic = setting_.topics[ask.topic]->name;
  log::warning("kafka: an event of topic {}, at position {}, is not taken and becomes a dead letter: {}",
               topic, journal::Position(ask.position).text(), ask.why);
  std::vector<CompleteEvent> letter;
  letter.push_back(
      {.event = dead_letter_of(
           *ask.event, {.subscription = "kafka", .topic = topic, .position = journal::Position(ask.position)},
           {.reason = DeadReason::refused, .code = "kafka", .body = ask.why, .attempts = 1})});
  const auto kept = co_await dead_letters_.publish(default_topic(kafka_dead_topic(topic)), std::move(letter),
                                                   net::wall_now());
  if (kept) {
    feed(kafka_out::Buried{.topic = ask.topic, .position = ask.position});
  } else {
    feed(kafka_out::BuryFailed{.topic = ask.topic, .position = ask.position});
  }
}

net::Task<> KafkaSender::save(std::vector<kafka_out::Save::Mark> marks) {
  journal::Batch batch;
  batch.epoch = setting_.journal.epoch();
  batch.time = utc_now();
  for (const kafka_out::Save::Mark& mark : marks) {
    batch.cursors.push_back({.name = cursor_name(mark.topic),
                             .record_class = journal::RecordClass::topic,
                             .category = setting_.topics[mark.topic]->name,
                             .position = journal::Position(mark.mark),
                             .state = {}});
  }
  const auto saved = co_await setting_.journal.append(std::move(batch));
  if (saved) {
    feed(kafka_out::Saved{});
  } else {
    feed(kafka_out::SaveFailed{});
  }
}

}  // namespace flotilla::events
