#include "flotilla/events/core/kafka_inbox.hpp"

#include <algorithm>
#include <utility>

namespace flotilla::events {

class KafkaInbox::Step {
 public:
  explicit Step(Instant at) : now{at} {}
  template <class Effect>
  void ask(Effect effect) {
    effects.emplace_back(std::move(effect));
  }
  Instant now;
  kafka_in::Effects effects;
};

KafkaInbox::KafkaInbox(const KafkaInboxPolicy& policy, std::size_t topics, std::uint64_t seed,
                       KafkaInboxCounters& counters, KafkaInboxFault planted)
    : policy_(policy), topics_(topics), random_(seed), counters_(counters), planted_(planted) {}

kafka_in::Effects KafkaInbox::feed(kafka_in::Input input, Instant now) {
  Step step(now);
  std::visit([&](auto& in) { on(step, in); }, input);
  finish(step);
  return std::move(step.effects);
}

bool KafkaInbox::wants_more() const noexcept {
  return revoking_ || draining_ || (held_events_ < policy_.most_events && held_bytes_ < policy_.most_bytes);
}

void KafkaInbox::on(Step& /*step*/, kafka_in::Assigned& in) {
  ++assignment_;
  counters_.rebalances.add();
  revoking_ = lost_ = false;
  if (planted_ != KafkaInboxFault::commit_after_lost) {
    partitions_.clear();
  }
  for (const PartitionId& partition : in.partitions) {
    partitions_.try_emplace(partition);
  }
}

void KafkaInbox::on(Step& /*step*/, kafka_in::Revoked& in) {
  revoking_ = true;
  lost_ = in.lost;
  if (planted_ != KafkaInboxFault::keep_after_revoke) {
    drop_waiting();
  }
}

void KafkaInbox::drop_waiting() {
  for (Topic& topic : topics_) {
    while (topic.held.size() > topic.appending) {
      --held_events_;
      held_bytes_ -= topic.held.back().bytes;
      topic.held.pop_back();
      counters_.dropped.add();
    }
  }
}

void KafkaInbox::on(Step& /*step*/, kafka_in::Arrived& in) {
  counters_.received.add();
  if (!partitions_.contains(in.partition) || revoking_ || draining_) {
    counters_.late.add();
    return;
  }
  Item item{.partition = in.partition,
            .assignment = assignment_,
            .offset = in.offset,
            .arrival = std::move(in.arrival),
            .bytes = in.bytes};
  if (!item.arrival) {
    counters_.echoes.add();
  }
  if (planted_ == KafkaInboxFault::commit_received ||
      (planted_ == KafkaInboxFault::skip_echo_order && !item.arrival)) {
    settle(item);
  }
  ++held_events_;
  held_bytes_ += item.bytes;
  topics_[in.partition.topic].held.push_back(std::move(item));
}

void KafkaInbox::settle(const Item& item) {
  const auto found = partitions_.find(item.partition);
  if (found != partitions_.end() &&
      (item.assignment == assignment_ || planted_ == KafkaInboxFault::commit_after_lost)) {
    found->second.next = item.offset + 1;
  }
}

void KafkaInbox::settle(Topic& topic, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    settle(topic.held.front());
    --held_events_;
    held_bytes_ -= topic.held.front().bytes;
    topic.held.pop_front();
  }
}

void KafkaInbox::on(Step& /*step*/, kafka_in::Appended& in) {
  Topic& topic = topics_[in.topic];
  counters_.appends.add();
  counters_.kept.add(topic.appending);
  topic.failures = 0;
  settle(topic, std::exchange(topic.appending, 0));
}

void KafkaInbox::on(Step& step, kafka_in::AppendFailed& in) {
  Topic& topic = topics_[in.topic];
  counters_.appends_failed.add();
  if (planted_ == KafkaInboxFault::append_failed_is_kept) {
    settle(topic, std::exchange(topic.appending, 0));
    return;
  }
  topic.appending = 0;
  if (revoking_ || draining_) {
    drop_waiting();  // they come again, to whoever has the partition then
    return;
  }
  // What was taken away while it was being kept must not be kept again: others have it.
  std::erase_if(topic.held, [&](const Item& item) {
    const bool gone = item.assignment != assignment_;
    if (gone) {
      --held_events_;
      held_bytes_ -= item.bytes;
      counters_.dropped.add();
    }
    return gone;
  });
  ++topic.failures;
  Duration wait = policy_.first_pause;
  for (std::uint32_t i = 1; i < topic.failures && wait < policy_.longest_pause; ++i) {
    wait *= 2;
  }
  wait = std::min(wait, policy_.longest_pause);
  wait = wait / 2 + Duration(random_.below(static_cast<std::uint64_t>((wait / 2).count()) + 1));
  topic.retry_at = saturating_add(step.now, wait);
  step.ask(kafka_in::Alert{.topic = in.topic, .why = std::move(in.why), .pause = wait});
}

void KafkaInbox::on(Step& step, kafka_in::Committed& in) {
  commit_under_way_ = false;
  (in.done ? counters_.commits : counters_.commits_failed).add();
  if (!in.done) {
    commit_at_ = saturating_add(step.now, policy_.commit_every);
    lost_ = lost_ || revoking_;  // once is enough: what is kept comes again, and is known
    return;
  }
  if (commit_assignment_ != assignment_) {
    return;
  }
  for (const kafka_in::Commit::Offset& offset : committing_) {
    if (const auto found = partitions_.find(offset.partition); found != partitions_.end()) {
      found->second.committed = offset.next;
    }
  }
}

void KafkaInbox::on(Step& /*step*/, kafka_in::Timer& /*in*/) {}

void KafkaInbox::on(Step& step, kafka_in::Drain& /*in*/) {
  draining_ = true;
  commit_at_ = std::min(commit_at_, step.now);
  drop_waiting();
}

void KafkaInbox::append(Step& step, TopicIndex index) {
  Topic& topic = topics_[index];
  if (topic.appending > 0 || topic.retry_at > step.now) {
    return;
  }
  std::size_t echoes = 0;
  while (echoes < topic.held.size() && !topic.held[echoes].arrival) {
    ++echoes;
  }
  settle(topic, echoes);
  kafka_in::Append ask{.topic = index, .arrivals = {}};
  std::size_t bytes = 0;
  while (topic.appending < topic.held.size() && topic.appending < policy_.append_events &&
         (bytes == 0 || bytes < policy_.append_bytes)) {
    const Item& item = topic.held[topic.appending];
    bytes += item.bytes;
    ++topic.appending;
    if (item.arrival) {
      ask.arrivals.push_back(item.arrival);
    }
    if (planted_ == KafkaInboxFault::commit_appending) {
      settle(item);
    }
  }
  if (!ask.arrivals.empty()) {
    step.ask(std::move(ask));
  }
}

bool KafkaInbox::is_dirty() const {
  return std::ranges::any_of(partitions_,
                             [](const auto& each) { return each.second.next != each.second.committed; });
}

bool KafkaInbox::is_appending() const {
  return std::ranges::any_of(topics_, [](const Topic& topic) { return topic.appending > 0; });
}

void KafkaInbox::commit(Step& step) {
  committing_.clear();
  for (const auto& [id, partition] : partitions_) {
    if (partition.next != partition.committed) {
      committing_.push_back({.partition = id, .next = partition.next});
    }
  }
  commit_under_way_ = true;
  commit_assignment_ = assignment_;
  commit_at_ = saturating_add(step.now, policy_.commit_every);
  step.ask(kafka_in::Commit{.offsets = committing_});
}

// A rebalance waits for what is being kept and for its commit; a loss for nothing.
void KafkaInbox::let_go(Step& step) {
  const bool early = planted_ == KafkaInboxFault::release_before_commit;
  if (!lost_ && !early && (is_appending() || commit_under_way_)) {
    return;
  }
  if (!lost_ && !early && is_dirty()) {
    commit(step);
    return;
  }
  if (planted_ != KafkaInboxFault::commit_after_lost) {
    partitions_.clear();
  }
  ++assignment_;
  revoking_ = lost_ = false;
  step.ask(kafka_in::Release{});
}

void KafkaInbox::finish(Step& step) {
  Instant wake = kNever;
  if (revoking_) {
    let_go(step);
  } else {
    for (TopicIndex i = 0; i < topics_.size() && !draining_; ++i) {
      append(step, i);
      if (topics_[i].retry_at > step.now && !topics_[i].held.empty()) {
        wake = std::min(wake, topics_[i].retry_at);
      }
    }
    if (is_dirty() && !commit_under_way_) {
      if (commit_at_ <= step.now) {
        commit(step);
      } else {
        wake = std::min(wake, commit_at_);
      }
    }
  }
  if (draining_ && !drained_ && !revoking_ && !is_appending() && !commit_under_way_ && !is_dirty()) {
    drained_ = true;
    step.ask(kafka_in::Drained{});
  }
  step.ask(kafka_in::Wake{.at = wake});
}

}  // namespace flotilla::events
