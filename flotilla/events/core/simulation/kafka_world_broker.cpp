#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/core/simulation/kafka_world.hpp"

namespace flotilla::events::simulation {

using journal::kafka::Delivery;

bool KafkaWorld::Session::has_given_up(TopicIndex topic) const {
  return std::ranges::any_of(answers, [&](const kafka_out::Delivered& told) {
    return told.topic == topic && told.delivery == Delivery::lost;
  });
}

// The producer of this node takes a message. Kafka partitions by key.
void KafkaWorld::take(Node& node, const KafkaOutbox::Order& order) {
  const Stored& stored = node.journal[order.position - 1];
  if (stored.foreign) {
    violated(fmt::format("node {} sends {} back, which came from Kafka", index_of(node), stored.fact->id));
  }
  if (order.event->data != stored.fact->data || order.event->attribute("id") != stored.fact->id) {
    violated("E7: other bytes are sent than were published");
  }
  const auto session = std::ranges::find_if(sessions_, [&](const auto& each) {
    return !each->over && each->node == index_of(node) && each->life == node.life &&
           each->number == order.session;
  });
  // A producer that knows a topic to be gone takes nothing more of it.
  const bool taken = session != sessions_.end() &&
                     !((*session)->proven[order.topic] && (*session)->has_given_up(order.topic));
  if (taken) {
    (*session)->queues[order.topic * kPartitions + stored.fact->key % kPartitions].push_back(
        {.topic = order.topic, .position = order.position});
  }
  carry_out(node, node.out->took(order, taken ? Delivery::confirmed : Delivery::lost, "", now_));
}

// The broker comes to the next message of some producer; those of one that is over may still arrive, in
// order.
void KafkaWorld::process_one() {
  if (sessions_.empty()) {
    return;
  }
  const std::size_t at = random_.below(sessions_.size());
  Session& session = *sessions_[at];
  const std::size_t queue = random_.below(session.queues.size());
  if (session.over && (session.queues[queue].empty() || random_.below(3) == 0)) {
    session.queues[queue].clear();
    return;
  }
  if (session.queues[queue].empty()) {
    return;
  }
  const Taken taken = session.queues[queue].front();
  session.queues[queue].pop_front();
  const Stored& stored = nodes_[session.node].journal[taken.position - 1];
  kafka_out::Delivered told{.session = session.number, .topic = taken.topic, .position = taken.position};
  if (missing_[taken.topic]) {
    coverage_.count(KafkaPassage::topic_missing);
    told.delivery = Delivery::lost;
    session.answers.push_back(told);
    // librdkafka gives up all that it holds of a topic at once.
    for (auto& each : session.queues) {
      std::erase_if(each, [&](const Taken& other) {
        const bool given_up = other.topic == taken.topic;
        if (given_up) {
          told.position = other.position;
          session.answers.push_back(told);
        }
        return given_up;
      });
    }
    return;
  }
  if (stored.fact->refused) {  // the producer fails before anything overtakes it
    coverage_.count(KafkaPassage::refused);
    told.delivery = Delivery::refused;
    session.answers.push_back(told);
    for (auto& each : session.queues) {
      each.clear();
    }
    session.over = true;
    return;
  }
  if (session.over) {
    coverage_.count(KafkaPassage::late_message);
  }
  append_to_log(session, queue, taken);
  session.proven[taken.topic] = true;
  session.answers.push_back(told);
}

void KafkaWorld::append_to_log(const Session& session, std::size_t queue, const Taken& taken) {
  const Node& node = nodes_[session.node];
  const FactPtr& fact = node.journal[taken.position - 1].fact;
  note(fmt::format("Kafka has {} of node {}", fact->id, session.node));
  if (in_kafka_[taken.topic].contains(fact->id)) {
    coverage_.count(KafkaPassage::sent_twice);
  } else {
    for (std::size_t i = 0; i + 1 < taken.position; ++i) {
      const Stored& before = node.journal[i];
      if (before.topic == taken.topic && !before.foreign && !before.fact->refused &&
          before.fact->key == fact->key && !in_kafka_[taken.topic].contains(before.fact->id)) {
        violated(fmt::format("E3: {} is in Kafka before {} of the same key", fact->id, before.fact->id));
      }
    }
    in_kafka_[taken.topic].insert(fact->id);
  }
  logs_[queue].push_back({.fact = fact, .group = node.group});
}

// A node hears what became of a message.
void KafkaWorld::tell_one() {
  if (sessions_.empty()) {
    return;
  }
  const std::size_t at = random_.below(sessions_.size());
  Session& session = *sessions_[at];
  Node& node = nodes_[session.node];
  const bool ours = session.life == node.life;
  if (!ours) {
    session.answers.clear();
  }
  if (session.answers.empty()) {
    const std::uint64_t number = session.number;
    const bool over = session.over;
    if (over && std::ranges::all_of(session.queues, &std::deque<Taken>::empty)) {
      sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (ours && over) {
      feed(node, kafka_out::SessionLost{.session = number, .why = "fatal"});
    }
    return;
  }
  const kafka_out::Delivered told = session.answers.front();
  session.answers.pop_front();
  if (told.delivery == Delivery::lost && !session.has_given_up(told.topic)) {
    session.proven[told.topic] = false;
  }
  if (session.over && told.delivery == Delivery::confirmed) {
    coverage_.count(KafkaPassage::late_answer);
  }
  feed(node, told);
}

void KafkaWorld::lose_session(Session& session) {
  if (session.over) {
    return;
  }
  note(fmt::format("the producer of node {} is lost", session.node));
  coverage_.count(KafkaPassage::session_lost);
  session.over = true;
  Node& node = nodes_[session.node];
  if (session.life == node.life) {
    feed(node, kafka_out::SessionLost{.session = session.number, .why = "lost"});
  }
}

void KafkaWorld::tell_reader(Node& node) {
  if (node.assigned.empty() || node.reading.empty()) {
    return;
  }
  if (!node.in->wants_more()) {
    coverage_.count(KafkaPassage::held_back);
    return;
  }
  auto at = node.reading.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random_.below(node.reading.size())));
  auto& [partition, offset] = *at;
  if (chance(odds_.redeliver)) {
    const Group& group = groups_[static_cast<std::size_t>(node.group)];
    const auto committed = group.committed.find(partition);
    const std::size_t from = committed == group.committed.end() ? 0 : committed->second;
    if (from < offset) {
      coverage_.count(KafkaPassage::redelivered);
      node.unclean = true;
      offset = from;
    }
  }
  if (offset >= log(partition).size()) {
    return;
  }
  const Message& message = log(partition)[offset];
  kafka_in::Arrived in{
      .partition = partition, .offset = static_cast<std::int64_t>(offset), .arrival = nullptr, .bytes = 100};
  ++offset;
  if (message.group == node.group) {
    coverage_.count(KafkaPassage::echo);
  } else {
    journal::Event event{.attributes = {{"id", message.fact->id},
                                        {"partition", std::to_string(partition.partition)},
                                        {"offset", std::to_string(in.offset)},
                                        {"key", std::to_string(message.fact->key)}},
                         .data = message.fact->data};
    in.arrival = std::make_shared<const KafkaArrival>(KafkaArrival{.event = {.event = std::move(event)}});
  }
  feed(node, std::move(in));
}

void KafkaWorld::rebalance(Group& group) {
  const int number = static_cast<int>(&group - groups_.data());
  if (!group.rebalancing) {
    coverage_.count(KafkaPassage::rebalance);
    note(fmt::format("group {} rebalances", number));
    group.rebalancing = true;
    group.awaited.clear();
    for (Node& node : nodes_) {
      if (node.group == number && !node.assigned.empty() && !node.stale) {
        group.awaited.insert(index_of(node));
      }
    }
    for (const std::size_t index : std::set<std::size_t>(group.awaited)) {
      Node& node = nodes_[index];
      if (!node.revoked) {
        node.revoked = true;
        if (std::ranges::any_of(node.under_way, [](const Write& write) {
              return std::holds_alternative<kafka_in::Append>(write);
            })) {
          coverage_.count(KafkaPassage::released_appending);
        }
        feed(node, kafka_in::Revoked{.lost = false});
      }
    }
  }
  if (group.awaited.empty() && group.rebalancing) {
    finish_rebalance(group, number);
  }
}

// All have let go: each gets its share.
void KafkaWorld::finish_rebalance(Group& group, int number) {
  group.rebalancing = false;
  std::vector<std::size_t> members;
  for (const Node& node : nodes_) {
    if (node.group == number && node.in != nullptr && !node.revoked) {
      members.push_back(index_of(node));
    }
  }
  if (members.empty()) {
    return;
  }
  std::map<std::size_t, kafka_in::Assigned> shares;
  for (TopicIndex topic = 0; topic < kTopics; ++topic) {
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      shares[members[random_.below(members.size())]].partitions.push_back(
          {.topic = topic, .partition = partition});
    }
  }
  for (const std::size_t index : members) {
    Node& node = nodes_[index];
    node.assigned.clear();
    node.reading.clear();
    node.stale = node.unclean = false;
    node.kept.clear();
    for (const PartitionId& partition : shares[index].partitions) {
      node.assigned.insert(partition);
      const auto committed = group.committed.find(partition);
      node.reading[partition] = committed == group.committed.end() ? 0 : committed->second;
    }
    feed(node, std::move(shares[index]));
  }
}

// The group goes on without a node, which learns it now or later.
void KafkaWorld::lose_member(Node& node) {
  Group& group = groups_[static_cast<std::size_t>(node.group)];
  if (node.assigned.empty() || node.stale || node.revoked || group.rebalancing) {
    return;
  }
  coverage_.count(KafkaPassage::member_lost);
  note(fmt::format("group {} has lost node {}", node.group, index_of(node)));
  node.stale = node.unclean = true;
  node.revoked = node.revoked_lost = true;
  node.reading.clear();
  feed(node, kafka_in::Revoked{.lost = true});
}

void KafkaWorld::release(Node& node) {
  note(fmt::format("node {} lets go", index_of(node)));
  Group& group = groups_[static_cast<std::size_t>(node.group)];
  if (!node.revoked) {
    violated(fmt::format("node {} lets go of what nobody took away", index_of(node)));
  }
  for (const auto& [partition, offset] : node.kept) {
    const auto committed = group.committed.find(partition);
    if (!node.unclean && !node.revoked_lost &&
        (committed == group.committed.end() || static_cast<std::int64_t>(committed->second) <= offset)) {
      violated(fmt::format(
          "E9: node {} lets go of topic {}, partition {}, and has kept offset {} without a commit",
          index_of(node), partition.topic, partition.partition, offset));
    }
  }
  const bool appending = std::ranges::any_of(
      node.under_way, [](const Write& write) { return std::holds_alternative<kafka_in::Append>(write); });
  if (appending && !node.revoked_lost && !node.unclean) {
    violated(fmt::format("E11: node {} lets go while it keeps something", index_of(node)));
  }
  for (const Write& write : node.under_way) {
    if (const auto* const append = std::get_if<kafka_in::Append>(&write)) {
      node.old_appends.insert(append->topic);
    }
  }
  node.assigned.clear();
  node.reading.clear();
  node.kept.clear();
  node.revoked = node.revoked_lost = false;
  group.awaited.erase(index_of(node));
  rebalance(group);
}

bool KafkaWorld::has(int group, PartitionId partition, std::size_t offset) const {
  const Message& message = log(partition)[offset];
  return message.group == group || std::ranges::any_of(nodes_, [&](const Node& node) {
           return node.group == group && node.ids[partition.topic].contains(message.fact->id);
         });
}

void KafkaWorld::apply(Node& node, const kafka_out::Save& save) {
  for (const kafka_out::Save::Mark& mark : save.marks) {
    for (std::size_t i = 0; i < mark.mark; ++i) {
      const Stored& stored = node.journal[i];
      if (stored.topic != mark.topic || stored.foreign) {
        continue;
      }
      if (!(stored.fact->refused ? node.dead : in_kafka_)[mark.topic].contains(stored.fact->id)) {
        violated(fmt::format("E6: the mark {} of topic {} of node {} passes {}, which has not arrived",
                             mark.mark, mark.topic, index_of(node), stored.fact->id));
        return;
      }
    }
    node.marks[mark.topic] = mark.mark;
  }
}

void KafkaWorld::apply(Node& node, const kafka_out::Bury& bury) {
  node.dead[bury.topic].insert(std::string(bury.event->attribute("id")));
}

// As the publisher does it: each id once.
void KafkaWorld::apply(Node& node, const kafka_in::Append& append) {
  for (const KafkaArrivalPtr& arrival : append.arrivals) {
    const journal::Event& event = arrival->event.event;
    const std::string id(event.attribute("id"));
    if (!node.ids[append.topic].insert(id).second) {
      continue;
    }
    Fact fact{.id = id, .data = event.data};
    fact.key = parse_int<std::size_t>(event.attribute("key")).value_or(0);
    node.journal.push_back(
        {.topic = append.topic, .fact = std::make_shared<const Fact>(std::move(fact)), .foreign = true});
  }
}

bool KafkaWorld::apply(Node& node, const kafka_in::Commit& commit) {
  Group& group = groups_[static_cast<std::size_t>(node.group)];
  if (node.stale) {
    coverage_.count(KafkaPassage::commit_rejected);
    return false;
  }
  for (const kafka_in::Commit::Offset& each : commit.offsets) {
    const auto next = static_cast<std::size_t>(each.next);
    for (std::size_t offset = 0; offset < next; ++offset) {
      if (!has(node.group, each.partition, offset)) {
        violated(fmt::format(
            "E4: node {} commits offset {} of topic {}, partition {}, and nobody has kept {}", index_of(node),
            next, each.partition.topic, each.partition.partition, log(each.partition)[offset].fact->id));
        return false;
      }
    }
    group.committed[each.partition] = next;
  }
  return true;
}

}  // namespace flotilla::events::simulation
