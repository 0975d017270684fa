#include "flotilla/events/core/simulation/kafka_world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::events::simulation {
namespace {

constexpr std::size_t kPage = 7;  // events
constexpr std::size_t kHealSteps = 60'000;

// Small bounds, so that they are met.
KafkaOutboxPolicy small_outbox() {
  return {.ahead_events = 12,
          .ahead_bytes = 4000,
          .save_every = std::chrono::milliseconds(50),
          .first_pause = std::chrono::milliseconds(20),
          .longest_pause = std::chrono::milliseconds(500)};
}
KafkaInboxPolicy small_inbox() {
  return {.most_events = 10,
          .most_bytes = 4000,
          .append_events = 4,
          .append_bytes = 1000,
          .commit_every = std::chrono::milliseconds(50),
          .first_pause = std::chrono::milliseconds(20),
          .longest_pause = std::chrono::milliseconds(500)};
}

}  // namespace

KafkaWorld::KafkaWorld(const KafkaWorldConfig& config, KafkaCoverage& coverage)
    : config_(config), coverage_(coverage), random_(config.seed) {
  const auto drawn = [this](std::uint32_t most) {
    return random_.below(4) == 0 ? 0 : static_cast<std::uint32_t>(random_.below(most));
  };
  odds_ = {.publish = 20 + drawn(200),
           .produce = 20 + drawn(150),
           .crash = drawn(8),
           .fail = drawn(150),
           .session = drawn(12),
           .missing = drawn(15),
           .refused = drawn(150),
           .rebalance = drawn(15),
           .member = drawn(10),
           .redeliver = drawn(15)};
  const bool same = random_.below(2) == 0;
  coverage_.count(same ? KafkaPassage::same_group : KafkaPassage::other_group);
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes_[i].group = same ? 0 : static_cast<int>(i);
  }
  for (Node& node : nodes_) {
    start(node);
  }
}

void KafkaWorld::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = what;
    note("VIOLATED: " + what);
  }
}

void KafkaWorld::note(const std::string& what) {
  if (config_.trace) {
    outcome_.timeline += fmt::format("{:>8} {}\n", now_.time_since_epoch().count() / 1'000'000, what);
  }
}

KafkaOutcome KafkaWorld::run() {
  for (std::size_t i = 0; i < config_.events && outcome_.violation.empty(); ++i) {
    step();
  }
  if (outcome_.violation.empty()) {
    settle();
  }
  return std::move(outcome_);
}

void KafkaWorld::start(Node& node) {
  ++node.life;
  node.out = std::make_unique<KafkaOutbox>(small_outbox(), kTopics, random_.next(), coverage_.sent,
                                           config_.outbox_fault);
  node.in = std::make_unique<KafkaInbox>(small_inbox(), kTopics, random_.next(), coverage_.received,
                                         config_.inbox_fault);
  node.out_wake = node.in_wake = kNever;
  node.under_way.clear();
  node.waiting.clear();
  node.assigned.clear();
  node.reading.clear();
  node.kept.clear();
  node.old_appends.clear();
  node.revoked = node.revoked_lost = false;
  node.stale = node.unclean = true;
  kafka_out::Load load;
  load.marks.assign(node.marks.begin(), node.marks.end());
  note(fmt::format("node {} starts", index_of(node)));
  feed(node, std::move(load));
  Group& group = groups_[static_cast<std::size_t>(node.group)];
  group.awaited.erase(index_of(node));
  rebalance(group);
}

// What is being written is durable or not; nobody is told.
void KafkaWorld::crash(Node& node) {
  note(fmt::format("node {} crashes", index_of(node)));
  coverage_.count(KafkaPassage::crash);
  for (Write& write : node.under_way) {
    const bool durable = random_.below(2) == 0;
    coverage_.count(durable ? KafkaPassage::crash_written : KafkaPassage::crash_unwritten);
    if (!durable) {
      continue;
    }
    if (const auto* const save = std::get_if<kafka_out::Save>(&write)) {
      apply(node, *save);
    } else if (const auto* const bury = std::get_if<kafka_out::Bury>(&write)) {
      apply(node, *bury);
    } else if (const auto* const append = std::get_if<kafka_in::Append>(&write)) {
      apply(node, *append);
    } else if (const auto* const commit = std::get_if<kafka_in::Commit>(&write)) {
      (void)apply(node, *commit);
    }
  }
  for (const auto& session : sessions_) {
    session->over = session->over || session->node == index_of(node);
  }
  start(node);
}

void KafkaWorld::publish() {
  Node& node = nodes_[random_.below(kNodes)];
  Fact fact{.id = fmt::format("n{}-{}", index_of(node), ++ids_),
            .key = random_.below(kKeys),
            .data = fmt::format("data {}", ids_),
            .refused = chance(odds_.refused)};
  const TopicIndex topic = random_.below(kTopics);
  note(fmt::format("node {} publishes {} of key {} to topic {}{}", index_of(node), fact.id, fact.key, topic,
                   fact.refused ? ", which Kafka refuses" : ""));
  node.ids[topic].insert(fact.id);
  node.journal.push_back({.topic = topic, .fact = std::make_shared<const Fact>(std::move(fact))});
  ++coverage_.published;
}

void KafkaWorld::produce() {
  const std::size_t key = random_.below(kKeys);
  const PartitionId to{.topic = random_.below(kTopics),
                       .partition = static_cast<std::int32_t>(key % kPartitions)};
  auto fact = std::make_shared<Fact>(Fact{.id = fmt::format("x-{}", ++ids_), .key = key});
  fact->data = fmt::format("data {}", ids_);
  note(fmt::format("others produce {} to topic {}, partition {}", fact->id, to.topic, to.partition));
  log(to).push_back({.fact = std::move(fact)});
  ++coverage_.produced;
}

void KafkaWorld::step() {
  if (!healing_ && chance(odds_.publish)) {
    publish();
  }
  if (!healing_ && chance(odds_.produce)) {
    produce();
  }
  Node& node = nodes_[random_.below(kNodes)];
  if (chance(odds_.crash)) {
    crash(node);
  } else if (chance(odds_.missing)) {
    const TopicIndex topic = random_.below(kTopics);
    // A topic that was there and is deleted is not back before everybody has heard of it: that takes Kafka
    // longer.
    const bool untold = std::ranges::any_of(sessions_, [&](const auto& session) {
      return session->proven[topic] && session->has_given_up(topic);
    });
    missing_[topic] = !missing_[topic] || untold;
    note(fmt::format("topic {} is {}", topic, missing_[topic] ? "not there" : "there again"));
  } else if (chance(odds_.rebalance)) {
    rebalance(groups_[static_cast<std::size_t>(node.group)]);
  } else if (chance(odds_.member)) {
    lose_member(node);
  } else if (chance(odds_.session) && !sessions_.empty()) {
    lose_session(*sessions_[random_.below(sessions_.size())]);
  }
  switch (random_.below(6)) {
    case 0:
      answer_one(node);
      break;
    case 1:
      process_one();
      break;
    case 2:
      tell_one();
      break;
    case 3:
      tell_reader(node);
      break;
    case 4:
      now_ += std::chrono::milliseconds(random_.below(20));
      fire_timers();
      break;
    default:
      answer_one(nodes_[random_.below(kNodes)]);
      break;
  }
}

void KafkaWorld::fire_timers() {
  for (Node& node : nodes_) {
    if (node.out_wake <= now_) {
      node.out_wake = kNever;
      feed(node, kafka_out::Timer{});
    }
    if (node.in_wake <= now_) {
      node.in_wake = kNever;
      feed(node, kafka_in::Timer{});
    }
  }
}

void KafkaWorld::feed(Node& node, kafka_out::Input input) {
  carry_out(node, node.out->feed(std::move(input), now_));
  pump(node);
}

void KafkaWorld::pump(Node& node) {
  while (const auto order = node.out->next()) {
    take(node, *order);
    if (!outcome_.violation.empty()) {
      return;
    }
  }
}

void KafkaWorld::feed(Node& node, kafka_in::Input input) {
  carry_out(node, node.in->feed(std::move(input), now_));
}

void KafkaWorld::carry_out(Node& node, kafka_out::Effects effects) {
  for (kafka_out::Effect& effect : effects) {
    if (auto* const wake = std::get_if<kafka_out::Wake>(&effect)) {
      node.out_wake = wake->at;
    } else if (auto* const open = std::get_if<kafka_out::Open>(&effect)) {
      node.under_way.emplace_back(*open);
    } else if (auto* const bury = std::get_if<kafka_out::Bury>(&effect)) {
      node.under_way.emplace_back(*bury);
    } else if (auto* const save = std::get_if<kafka_out::Save>(&effect)) {
      node.under_way.emplace_back(*save);
    } else if (auto* const fetch = std::get_if<kafka_out::Fetch>(&effect)) {
      node.under_way.emplace_back(*fetch);
    } else if (std::holds_alternative<kafka_out::Drained>(effect)) {
      coverage_.count(KafkaPassage::drained);
    }
  }
}

void KafkaWorld::carry_out(Node& node, kafka_in::Effects effects) {
  for (kafka_in::Effect& effect : effects) {
    if (auto* const wake = std::get_if<kafka_in::Wake>(&effect)) {
      node.in_wake = wake->at;
    } else if (auto* const append = std::get_if<kafka_in::Append>(&effect)) {
      for (const KafkaArrivalPtr& arrival : append->arrivals) {
        const PartitionId partition{.topic = append->topic,
                                    .partition = arrival->event.event.attribute("partition") == "0" ? 0 : 1};
        if (!node.assigned.contains(partition)) {
          violated(fmt::format("E9: node {} begins to keep {} of a partition that it let go", index_of(node),
                               arrival->event.event.attribute("id")));
        }
      }
      node.under_way.emplace_back(std::move(*append));
    } else if (auto* const commit = std::get_if<kafka_in::Commit>(&effect)) {
      for (const kafka_in::Commit::Offset& each : commit->offsets) {
        if (!node.assigned.contains(each.partition)) {
          violated(fmt::format("E6: node {} commits an offset of a partition that it does not have",
                               index_of(node)));
        }
      }
      node.under_way.emplace_back(std::move(*commit));
    } else if (std::holds_alternative<kafka_in::Release>(effect)) {
      release(node);
    } else if (std::holds_alternative<kafka_in::Drained>(effect)) {
      coverage_.count(KafkaPassage::drained);
    }
  }
}

void KafkaWorld::answer_one(Node& node) {
  if (node.under_way.empty()) {
    return;
  }
  const std::size_t at = random_.below(node.under_way.size());
  Write write = std::move(node.under_way[at]);
  node.under_way.erase(node.under_way.begin() + static_cast<std::ptrdiff_t>(at));
  std::visit([&](auto& ask) { answer(node, ask); }, write);
}

void KafkaWorld::answer(Node& node, kafka_out::Open& ask) {
  if (chance(odds_.fail)) {
    coverage_.count(KafkaPassage::open_failed);
    feed(node, kafka_out::OpenFailed{.session = ask.session, .why = "no"});
    return;
  }
  auto session = std::make_unique<Session>();
  session->node = index_of(node);
  session->life = node.life;
  session->number = ask.session;
  sessions_.push_back(std::move(session));
  feed(node, kafka_out::Opened{.session = ask.session});
}

void KafkaWorld::answer(Node& node, kafka_out::Bury& ask) {
  if (chance(odds_.fail)) {
    coverage_.count(KafkaPassage::bury_failed);
    if (random_.below(2) == 0) {
      apply(node, ask);
    }
    feed(node, kafka_out::BuryFailed{.topic = ask.topic, .position = ask.position});
    return;
  }
  apply(node, ask);
  feed(node, kafka_out::Buried{.topic = ask.topic, .position = ask.position});
}

void KafkaWorld::answer(Node& node, kafka_out::Save& ask) {
  const bool failed = healing_ ? random_.below(4) == 0 : chance(odds_.fail);  // it has to save again
  const bool written = !failed || random_.below(2) == 0;
  if (written) {
    apply(node, ask);
  }
  if (failed) {
    coverage_.count(written ? KafkaPassage::save_failed_written : KafkaPassage::save_failed_unwritten);
    feed(node, kafka_out::SaveFailed{});
  } else {
    feed(node, kafka_out::Saved{});
  }
}

void KafkaWorld::answer(Node& node, kafka_out::Fetch& ask) {
  kafka_out::Arrived in{.topic = ask.topic, .events = {}, .read_to = ask.after};
  for (std::uint64_t at = ask.after; at < node.journal.size() && in.events.size() < kPage; ++at) {
    const Stored& stored = node.journal[at];
    in.read_to = at + 1;
    if (stored.topic == ask.topic) {
      in.events.push_back({.position = at + 1,
                           .foreign = stored.foreign,
                           .event = std::make_shared<const journal::Event>(journal::Event{
                               .attributes = {{"id", stored.fact->id}}, .data = stored.fact->data}),
                           .bytes = 100});
    }
  }
  if (in.read_to == ask.after) {
    node.under_way.emplace_back(ask);  // it waits for more
    return;
  }
  feed(node, std::move(in));
}

void KafkaWorld::answer(Node& node, kafka_in::Append& ask) {
  const TopicIndex topic = ask.topic;
  const bool failed = chance(odds_.fail);
  const bool written = !failed || random_.below(2) == 0;
  if (written) {
    apply(node, ask);
  }
  if (failed) {
    coverage_.count(written ? KafkaPassage::append_failed_written : KafkaPassage::append_failed_unwritten);
    node.old_appends.erase(topic);
    feed(node, kafka_in::AppendFailed{.topic = topic, .why = "no"});
  } else {
    const bool old = node.old_appends.erase(topic) > 0;
    for (const KafkaArrivalPtr& arrival : ask.arrivals) {
      if (old) {
        break;
      }
      const journal::Event& event = arrival->event.event;
      node.kept[{.topic = topic, .partition = event.attribute("partition") == "0" ? 0 : 1}] =
          parse_int<std::int64_t>(event.attribute("offset")).value_or(0);
    }
    feed(node, kafka_in::Appended{.topic = topic});
  }
}

void KafkaWorld::answer(Node& node, kafka_in::Commit& ask) {
  const bool done = (!chance(odds_.fail) || random_.below(2) == 0) && apply(node, ask);
  const bool told = done && !chance(odds_.fail);
  if (done && !told) {
    coverage_.count(KafkaPassage::commit_unanswered);
  }
  node.unclean = node.unclean || !told;
  feed(node, kafka_in::Committed{.done = told});
}

void KafkaWorld::settle() {
  note("healing");
  healing_ = true;
  while (std::ranges::any_of(sessions_, [](const auto& session) { return !session->answers.empty(); })) {
    tell_one();
  }
  missing_ = {};
  std::string left;
  for (std::size_t i = 0; i < kHealSteps && outcome_.violation.empty(); ++i) {
    step();
    if (i % 100 == 0 && (left = unsettled()).empty()) {
      break;
    }
  }
  if (outcome_.violation.empty() && !left.empty()) {
    violated("it does not settle: " + left);
  }
  for (Node& node : nodes_) {
    feed(node, kafka_out::Drain{});
    feed(node, kafka_in::Drain{});
  }
}

// What is missing of how things must be in the end.
std::string KafkaWorld::unsettled() const {
  for (const Node& node : nodes_) {
    std::array<std::uint64_t, kTopics> last{};
    for (std::size_t i = 0; i < node.journal.size(); ++i) {
      const Stored& stored = node.journal[i];
      last[stored.topic] = i + 1;
      const bool arrived =
          stored.foreign ||
          (stored.fact->refused ? node.dead : in_kafka_)[stored.topic].contains(stored.fact->id);
      if (!arrived) {
        return fmt::format("E1: {} of node {} has not arrived", stored.fact->id, index_of(node));
      }
    }
    for (TopicIndex topic = 0; topic < kTopics; ++topic) {
      if (node.marks[topic] < last[topic]) {
        return fmt::format("the mark of topic {} of node {} is {} of {}", topic, index_of(node),
                           node.marks[topic], last[topic]);
      }
    }
    for (TopicIndex topic = 0; topic < kTopics; ++topic) {
      for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
        const PartitionId id{.topic = topic, .partition = partition};
        for (std::size_t offset = 0; offset < log(id).size(); ++offset) {
          if (!has(node.group, id, offset)) {
            return fmt::format("E4: group {} has not {}", node.group, log(id)[offset].fact->id);
          }
        }
        const Group& group = groups_[static_cast<std::size_t>(node.group)];
        const auto committed = group.committed.find(id);
        if (!log(id).empty() && (committed == group.committed.end() || committed->second != log(id).size())) {
          return fmt::format("not all of topic {}, partition {} is committed by group {}", topic, partition,
                             node.group);
        }
      }
    }
  }
  return {};
}

}  // namespace flotilla::events::simulation
