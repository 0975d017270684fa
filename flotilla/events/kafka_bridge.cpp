#include "flotilla/events/kafka_bridge.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

constexpr Duration kChangePatience = std::chrono::seconds(5);
constexpr Duration kNote = std::chrono::milliseconds(500);
constexpr const char* kGroupCursor = "kafka/group";

std::vector<TopicPtr> bridged(const std::vector<TopicPtr>& topics) {
  std::vector<TopicPtr> out;
  std::ranges::copy_if(topics, std::back_inserter(out),
                       [](const TopicPtr& topic) { return is_bridged(topic->name); });
  std::ranges::sort(out, {}, &Topic::name);
  return out;
}

// An answer of the journal, waited for on a thread that is no loop.
template <class T, class Ask>
T wait_for(Ask ask) {
  std::promise<T> promise;
  auto future = promise.get_future();
  ask([&promise](T answer) { promise.set_value(std::move(answer)); });
  return future.get();
}

}  // namespace

KafkaBridge::~KafkaBridge() { stop(); }

// A group that nobody else has, so that by default this journal has all events: drawn once, kept in it.
Result<std::string> KafkaBridge::group_of_journal() {
  auto kept = wait_for<Result<std::optional<journal::Cursor>>>(
      [this](auto done) { journal_.cursor(kGroupCursor, std::move(done)); });
  if (!kept) {
    return std::unexpected(std::move(kept.error()));
  }
  if (*kept) {
    return (*kept)->state;
  }
  Random random(seed_);
  journal::Batch batch;
  batch.epoch = journal_.epoch();
  batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  std::string group = "flotilla-" + Ulid::make(net::wall_now(), random).text();
  batch.cursors.push_back({.name = kGroupCursor,
                           .record_class = journal::RecordClass::queue,
                           .category = "kafka",
                           .position = {},
                           .state = group});
  const auto saved = wait_for<journal::AppendResult>(
      [this, &batch](auto done) { journal_.append(std::move(batch), std::move(done)); });
  if (!saved) {
    return fail(Errc::unavailable,
                "the group of this journal cannot be kept: " + journal::describe(saved.error()));
  }
  return group;
}

Result<> KafkaBridge::start(const std::vector<TopicPtr>& topics, net::Loop& loop) {
  if (const auto loaded = journal::kafka::library(); !loaded) {
    return std::unexpected(loaded.error());
  }
  group_ = config_.group;
  if (group_.empty()) {
    auto own = group_of_journal();
    if (!own) {
      return std::unexpected(std::move(own.error()));
    }
    group_ = std::move(*own);
  }
  loop_ = &loop;
  log::info("kafka: {} topics are bridged to {} as group {}", bridged(topics).size(), config_.access.brokers,
            group_);
  run_on_loop([this, &topics] {
    tasks_ = std::make_unique<net::Scope>();
    begin(bridged(topics));
    tasks_->spawn(note_forever());
  });
  return {};
}

void KafkaBridge::begin(std::vector<TopicPtr> topics) {
  topics_ = std::move(topics);
  if (topics_.empty()) {
    return;
  }
  const KafkaSetting setting{.journal = journal_,
                             .loop = *loop_,
                             .reaper = reaper_,
                             .access = config_.access,
                             .group = group_,
                             .from_latest = config_.from_latest,
                             .topics = topics_,
                             .seed = seed_};
  sender_ = std::make_unique<KafkaSender>(setting, sent_);
  receiver_ = std::make_unique<KafkaReceiver>(setting, received_, arrivals_);
  sender_->start();
  receiver_->start();
}

net::Task<> KafkaBridge::end(Instant deadline) {
  if (sender_) {
    net::Scope both;
    both.spawn(sender_->drain(deadline));
    both.spawn(receiver_->drain(deadline));
    co_await both.join();
  }
}

void KafkaBridge::replace(const std::vector<TopicPtr>& topics) {
  if (loop_ == nullptr) {
    return;
  }
  loop_->post([this, next = bridged(topics)]() mutable {
    const bool same = std::ranges::equal(topics_, next, [](const TopicPtr& a, const TopicPtr& b) {
      return a->name == b->name && a->key_text == b->key_text && !a->schema && !b->schema;
    });
    if (tasks_ && !same) {
      tasks_->spawn(change(std::move(next)));
    }
  });
}

net::Task<> KafkaBridge::change(std::vector<TopicPtr> topics) {
  co_await end(saturating_add(loop_->now(), kChangePatience));
  // Not from within a callback of theirs.
  loop_->post([this, next = std::move(topics)]() mutable {
    if (!tasks_) {
      return;  // stopped meanwhile
    }
    sender_.reset();
    receiver_.reset();
    begin(std::move(next));
  });
}

net::Task<> KafkaBridge::drained(Duration grace, std::function<void()> done) {
  co_await end(saturating_add(loop_->now(), grace));
  done();
}

void KafkaBridge::drain(Duration grace, std::function<void()> done) {
  if (loop_ == nullptr) {
    done();
    return;
  }
  loop_->post([this, grace, done = std::move(done)]() mutable {
    if (tasks_) {
      tasks_->spawn(drained(grace, std::move(done)));
    } else {
      done();
    }
  });
}

void KafkaBridge::stop() {
  if (std::exchange(stopped_, true) || loop_ == nullptr) {
    return;
  }
  run_on_loop([this] {
    tasks_.reset();
    sender_.reset();
    receiver_.reset();
  });
}

void KafkaBridge::run_on_loop(std::move_only_function<void()> function) {
  std::promise<void> done;
  loop_->post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

net::Task<> KafkaBridge::note_forever() {
  for (;;) {
    std::uint64_t unsettled = 0;
    for (TopicIndex i = 0; sender_ && i < topics_.size(); ++i) {
      unsettled += sender_->core().view(i).unsettled;
    }
    unsettled_ = unsettled;
    waiting_ = receiver_ ? receiver_->core().waiting() : 0;
    partitions_ = receiver_ ? receiver_->core().partitions() : 0;
    connected_ = sender_ && sender_->trouble().empty() ? 1 : 0;
    co_await net::sleep_for(*loop_, kNote);
  }
}

json::Value KafkaBridge::status() const {
  json::Value topics = json::Value::array();
  for (TopicIndex i = 0; sender_ && i < topics_.size(); ++i) {
    const KafkaOutbox::View view = sender_->core().view(i);
    json::Value topic = json::Value::object({{"name", topics_[i]->name},
                                             {"confirmed", journal::Position(view.mark).text()},
                                             {"read", journal::Position(view.read_to).text()},
                                             {"unsettled", view.unsettled},
                                             {"in_flight", view.in_flight}});
    if (!sender_->trouble(i).empty()) {
      topic.set("trouble", sender_->trouble(i));
    }
    topics.push_back(std::move(topic));
  }
  const std::string sending = sender_ ? sender_->trouble() : std::string();
  const std::string reading = receiver_ ? receiver_->trouble() : std::string();
  json::Value out =
      json::Value::object({{"brokers", config_.access.brokers},
                           {"group", group_},
                           {"state", sending.empty() && reading.empty() ? "connected" : "waiting"},
                           {"partitions", receiver_ ? receiver_->core().partitions() : std::size_t{0}},
                           {"waiting", receiver_ ? receiver_->core().waiting() : std::size_t{0}},
                           {"topics", std::move(topics)}});
  if (const std::string& trouble = sending.empty() ? reading : sending; !trouble.empty()) {
    out.set("trouble", trouble);
  }
  return out;
}

net::Task<json::Value> KafkaBridge::report() {
  journal::Reply<json::Value> reply;
  loop_->post([this, done = reply.send()]() mutable { done(status()); });
  co_return co_await reply;
}

void KafkaBridge::collect(telemetry::MetricsPage& page) const {
  using telemetry::Family;
  const auto counter = [&page](const Family& family, const Counter& value) {
    page.counter(family, {}, value.read());
  };
  counter({"flotilla_kafka_sent_total", "Events handed to the producer, again included."}, sent_.sent);
  counter({"flotilla_kafka_confirmed_total", "Events that Kafka has confirmed."}, sent_.confirmed);
  counter({"flotilla_kafka_resent_total", "Events handed to the producer once more."}, sent_.resent);
  counter({"flotilla_kafka_refused_total", "Events that Kafka never will take; they are dead letters."},
          sent_.refused);
  counter({"flotilla_kafka_lost_total", "Times that an event was not taken, and is sent again."}, sent_.lost);
  counter({"flotilla_kafka_producers_lost_total", "Producers that ended, and were made anew."},
          sent_.sessions_lost);
  counter({"flotilla_kafka_received_total", "Messages that came."}, received_.received);
  counter({"flotilla_kafka_echoes_total", "Messages that came and were the group's own."}, received_.echoes);
  counter({"flotilla_kafka_wrapped_total", "Messages without CloudEvents headers that became events."},
          arrivals_.wrapped);
  counter({"flotilla_kafka_dead_total", "Messages that are no event of their topic; they are dead letters."},
          arrivals_.dead);
  counter({"flotilla_kafka_duplicates_total", "Messages that the journal had already, by source and id."},
          arrivals_.duplicates);
  counter({"flotilla_kafka_dropped_total", "Messages given up unkept at a rebalance; they come again."},
          received_.dropped);
  counter({"flotilla_kafka_append_failures_total",
           "Times that messages could not be kept, and were tried again."},
          received_.appends_failed);
  counter({"flotilla_kafka_commits_total", "Commits of offsets."}, received_.commits);
  counter({"flotilla_kafka_commit_failures_total", "Commits of offsets that failed."},
          received_.commits_failed);
  counter({"flotilla_kafka_rebalances_total", "Times that partitions were assigned."}, received_.rebalances);
  const auto gauge = [&page](const Family& family, const std::atomic<std::uint64_t>& value) {
    page.gauge(family, {}, static_cast<double>(value.load()));
  };
  gauge({"flotilla_kafka_unsettled", "Events read from the journal that Kafka has not confirmed."},
        unsettled_);
  gauge({"flotilla_kafka_waiting", "Messages that came and are not kept yet."}, waiting_);
  gauge({"flotilla_kafka_partitions", "Partitions that this process reads."}, partitions_);
  gauge({"flotilla_kafka_connected", "1 while brokers are reached, as far as was seen, else 0."}, connected_);
}

}  // namespace flotilla::events
