#include "flotilla/events/core/kafka_outbox.hpp"

#include <algorithm>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::events {

using journal::kafka::Delivery;

class KafkaOutbox::Step {
 public:
  explicit Step(Instant at) : now{at} {}
  template <class Effect>
  void ask(Effect effect) {
    effects.emplace_back(std::move(effect));
  }
  Instant now;
  kafka_out::Effects effects;
};

KafkaOutbox::KafkaOutbox(const KafkaOutboxPolicy& policy, std::size_t topics, std::uint64_t seed,
                         KafkaOutboxCounters& counters, KafkaOutboxFault planted)
    : policy_(policy), topics_(topics), random_(seed), counters_(counters), planted_(planted) {}

kafka_out::Effects KafkaOutbox::feed(kafka_out::Input input, Instant now) {
  Step step(now);
  now_ = now;
  std::visit([&](auto& in) { on(step, in); }, input);
  finish(step);
  return std::move(step.effects);
}

// Half of it is drawn, so that many do not come back at once.
Duration KafkaOutbox::pause(std::uint32_t losses) {
  Duration whole = policy_.first_pause;
  for (std::uint32_t i = 1; i < losses && whole < policy_.longest_pause; ++i) {
    whole *= 2;
  }
  whole = std::min(whole, policy_.longest_pause);
  return whole / 2 + Duration(random_.below(static_cast<std::uint64_t>((whole / 2).count()) + 1));
}

KafkaOutbox::Entry* KafkaOutbox::find(TopicIndex topic, std::uint64_t position) {
  std::deque<Entry>& window = topics_[topic].window;
  const auto at =
      std::ranges::lower_bound(window, position, {}, [](const Entry& entry) { return entry.event.position; });
  return at != window.end() && at->event.position == position ? &*at : nullptr;
}

bool KafkaOutbox::may_send(const Topic& topic) const {
  const bool held = topic.stalled && planted_ != KafkaOutboxFault::overtake;
  const bool alone = !topic.proven && planted_ != KafkaOutboxFault::overtake && topic.in_flight > 0;
  return !held && !alone && topic.paused_until <= now_;
}

std::optional<KafkaOutbox::Order> KafkaOutbox::next() {
  if (session_state_ != SessionState::open || draining_) {
    return std::nullopt;
  }
  for (std::size_t tried = 0; tried < topics_.size(); ++tried) {
    const TopicIndex index = (turn_ + tried) % topics_.size();
    Topic& topic = topics_[index];
    while (topic.first_waiting < topic.window.size() &&
           topic.window[topic.first_waiting].state != Entry::State::waiting) {
      ++topic.first_waiting;
    }
    if (topic.first_waiting == topic.window.size() || !may_send(topic)) {
      continue;
    }
    turn_ = index + 1;
    const JournalEvent& event = topic.window[topic.first_waiting].event;
    return Order{.session = session_, .topic = index, .position = event.position, .event = event.event};
  }
  return std::nullopt;
}

kafka_out::Effects KafkaOutbox::took(const Order& order, Delivery taken, std::string why, Instant now) {
  Step step(now);
  now_ = now;
  Topic& topic = topics_[order.topic];
  Entry* const entry = find(order.topic, order.position);
  FLOTILLA_ASSERT(entry != nullptr && entry->state == Entry::State::waiting);
  if (taken == Delivery::confirmed) {
    entry->state = Entry::State::sent;
    counters_.sent.add();
    counters_.resent.add(entry->sent > 0 ? 1 : 0);
    ++entry->sent;
    ++topic.in_flight;
    if (planted_ == KafkaOutboxFault::mark_at_sent) {
      entry->state = Entry::State::settled;
      --topic.in_flight;
      advance(topic);
    }
  } else if (taken == Delivery::refused) {
    entry->why = std::move(why);
    bury(step, order.topic, *entry);
  } else {
    lose_message(step, order.topic, *entry, std::move(why));
  }
  finish(step);
  return std::move(step.effects);
}

void KafkaOutbox::on(Step& step, kafka_out::Load& in) {
  FLOTILLA_ASSERT(in.marks.size() == topics_.size());
  for (TopicIndex i = 0; i < topics_.size(); ++i) {
    topics_[i].mark = topics_[i].saved = topics_[i].read_to = in.marks[i];
  }
  open_at_ = step.now;
}

void KafkaOutbox::on(Step& /*step*/, kafka_out::Arrived& in) {
  Topic& topic = topics_[in.topic];
  topic.fetching = false;
  for (JournalEvent& event : in.events) {
    if (event.position <= topic.read_to) {
      continue;
    }
    Entry entry{.event = std::move(event)};
    if (entry.event.foreign && planted_ != KafkaOutboxFault::send_foreign) {
      entry.state = Entry::State::settled;
      counters_.skipped.add();
    }
    topic.bytes += entry.event.bytes;
    topic.window.push_back(std::move(entry));
  }
  topic.read_to = std::max(topic.read_to, in.read_to);
  advance(topic);
}

void KafkaOutbox::on(Step& /*step*/, kafka_out::Opened& in) {
  if (session_state_ == SessionState::opening && in.session == session_) {
    session_state_ = SessionState::open;
  }
}

void KafkaOutbox::on(Step& step, kafka_out::OpenFailed& in) {
  if (session_state_ == SessionState::opening && in.session == session_) {
    lose_session(step, std::move(in.why));
  }
}

void KafkaOutbox::on(Step& step, kafka_out::SessionLost& in) {
  if (session_state_ == SessionState::open && in.session == session_) {
    step.ask(kafka_out::Close{});
    lose_session(step, std::move(in.why));
  }
}

void KafkaOutbox::lose_session(Step& step, std::string why) {
  session_state_ = SessionState::closed;
  counters_.sessions_lost.add();
  ++session_losses_;
  const Duration wait = pause(session_losses_);
  open_at_ = saturating_add(step.now, wait);
  for (Topic& topic : topics_) {
    bool first = true;
    for (Entry& entry : topic.window) {
      if (entry.state == Entry::State::sent) {
        entry.state =
            first || planted_ != KafkaOutboxFault::rewind_one ? Entry::State::waiting : Entry::State::settled;
        first = false;
      }
    }
    topic.first_waiting = 0;
    topic.in_flight = 0;
    topic.proven = false;
    topic.stalled = false;
    advance(topic);
  }
  step.ask(kafka_out::Alert{.topic = {}, .why = std::move(why), .pause = wait});
}

void KafkaOutbox::on(Step& step, kafka_out::Delivered& in) {
  if (in.session != session_) {
    return;  // a producer before: what it had not answered is sent again already
  }
  Topic& topic = topics_[in.topic];
  Entry* const entry = find(in.topic, in.position);
  if (entry == nullptr || entry->state != Entry::State::sent) {
    return;
  }
  if (topic.in_flight > 0) {
    --topic.in_flight;
  }
  if (in.delivery == Delivery::confirmed) {
    entry->state = Entry::State::settled;
    counters_.confirmed.add();
    topic.proven = topic.proven || !topic.stalled;
    topic.losses = 0;
    session_losses_ = 0;
    if (planted_ == KafkaOutboxFault::mark_over_gap) {
      for (Entry& each : topic.window) {
        if (each.event.position < in.position) {
          each.state = Entry::State::settled;
        }
      }
    }
  } else if (in.delivery == Delivery::refused) {
    entry->why = std::move(in.why);
    bury(step, in.topic, *entry);
  } else {
    lose_message(step, in.topic, *entry, std::move(in.why));
  }
  if (topic.stalled && topic.in_flight == 0) {
    topic.stalled = false;
  }
  advance(topic);
}

void KafkaOutbox::lose_message(Step& step, TopicIndex index, Entry& entry, std::string why) {
  Topic& topic = topics_[index];
  counters_.lost.add();
  entry.state = planted_ == KafkaOutboxFault::skip_lost ? Entry::State::settled : Entry::State::waiting;
  topic.first_waiting = 0;
  topic.proven = false;
  if (!topic.stalled || topic.paused_until <= step.now) {
    ++topic.losses;
    const Duration wait = pause(topic.losses);
    topic.paused_until = saturating_add(step.now, wait);
    step.ask(kafka_out::Alert{.topic = index, .why = std::move(why), .pause = wait});
  }
  topic.stalled = topic.in_flight > 0;
}

void KafkaOutbox::bury(Step& step, TopicIndex index, Entry& entry) {
  if (entry.state != Entry::State::burying) {
    counters_.refused.add();
  }
  entry.state = planted_ == KafkaOutboxFault::bury_unsaved ? Entry::State::settled : Entry::State::burying;
  entry.bury_asked = true;
  step.ask(kafka_out::Bury{
      .topic = index, .position = entry.event.position, .event = entry.event.event, .why = entry.why});
}

void KafkaOutbox::on(Step& /*step*/, kafka_out::Buried& in) {
  if (Entry* const entry = find(in.topic, in.position);
      entry != nullptr && entry->state == Entry::State::burying) {
    entry->state = Entry::State::settled;
    advance(topics_[in.topic]);
  }
}

void KafkaOutbox::on(Step& step, kafka_out::BuryFailed& in) {
  if (Entry* const entry = find(in.topic, in.position); entry != nullptr) {
    entry->bury_asked = false;
    topics_[in.topic].bury_at = saturating_add(step.now, pause(4));
  }
}

void KafkaOutbox::on(Step& /*step*/, kafka_out::Saved& /*in*/) {
  save_under_way_ = false;
  counters_.saves.add();
  for (const kafka_out::Save::Mark& mark : saving_) {
    topics_[mark.topic].saved = mark.mark;
  }
}

void KafkaOutbox::on(Step& step, kafka_out::SaveFailed& /*in*/) {
  save_under_way_ = false;
  counters_.saves_failed.add();
  save_at_ = saturating_add(step.now, pause(4));
  if (planted_ == KafkaOutboxFault::save_failed_is_saved) {
    for (const kafka_out::Save::Mark& mark : saving_) {
      topics_[mark.topic].saved = mark.mark;
    }
  }
}

void KafkaOutbox::on(Step& step, kafka_out::Timer& /*in*/) {
  for (TopicIndex i = 0; i < topics_.size(); ++i) {
    if (topics_[i].bury_at > step.now) {
      continue;
    }
    topics_[i].bury_at = kNever;
    for (Entry& entry : topics_[i].window) {
      if (entry.state == Entry::State::burying && !entry.bury_asked) {
        bury(step, i, entry);
      }
    }
  }
}

void KafkaOutbox::on(Step& step, kafka_out::Drain& /*in*/) {
  draining_ = true;
  save_at_ = std::min(save_at_, step.now);
}

void KafkaOutbox::advance(Topic& topic) {
  std::size_t gone = 0;
  while (gone < topic.window.size() && topic.window[gone].state == Entry::State::settled) {
    topic.mark = topic.window[gone].event.position;
    topic.bytes -= topic.window[gone].event.bytes;
    ++gone;
  }
  topic.window.erase(topic.window.begin(), topic.window.begin() + static_cast<std::ptrdiff_t>(gone));
  topic.first_waiting -= std::min(topic.first_waiting, gone);
  if (topic.window.empty() || planted_ == KafkaOutboxFault::mark_at_read) {
    topic.mark = std::max(topic.mark, topic.read_to);
  }
}

// What follows from how things stand, whatever has happened.
void KafkaOutbox::finish(Step& step) {
  Instant wake = kNever;
  if (session_state_ == SessionState::closed && !draining_ && open_at_ != kNever) {
    if (open_at_ <= step.now) {
      session_state_ = SessionState::opening;
      counters_.sessions.add();
      step.ask(kafka_out::Open{.session = ++session_});
    } else {
      wake = open_at_;
    }
  }
  bool under_way = false;
  bool dirty = false;
  for (TopicIndex i = 0; i < topics_.size(); ++i) {
    Topic& topic = topics_[i];
    if (!topic.fetching && !draining_ && topic.window.size() < policy_.ahead_events &&
        topic.bytes < policy_.ahead_bytes) {
      topic.fetching = true;
      step.ask(kafka_out::Fetch{.topic = i, .after = topic.read_to});
    }
    under_way = under_way || topic.in_flight > 0;
    dirty = dirty || topic.mark != topic.saved;
    wake = std::min(wake, topic.bury_at);
    if (topic.paused_until > step.now) {
      wake = std::min(wake, topic.paused_until);
    }
  }
  if (dirty && !save_under_way_) {
    if (save_at_ <= step.now) {
      save_at_ = saturating_add(step.now, policy_.save_every);
      save_under_way_ = true;
      saving_.clear();
      for (TopicIndex i = 0; i < topics_.size(); ++i) {
        if (topics_[i].mark != topics_[i].saved) {
          saving_.push_back({.topic = i, .mark = topics_[i].mark});
        }
      }
      step.ask(kafka_out::Save{.marks = saving_});
    } else {
      wake = std::min(wake, save_at_);
    }
  }
  if (draining_ && !under_way && !dirty && !save_under_way_ && !drained_) {
    drained_ = true;
    step.ask(kafka_out::Drained{});
  }
  step.ask(kafka_out::Wake{.at = wake});
}

KafkaOutbox::View KafkaOutbox::view(TopicIndex index) const {
  const Topic& topic = topics_[index];
  View view{.mark = topic.mark,
            .read_to = topic.read_to,
            .unsettled = 0,
            .in_flight = topic.in_flight,
            .paused = topic.losses > 0};
  view.unsettled = static_cast<std::size_t>(std::ranges::count_if(
      topic.window, [](const Entry& entry) { return entry.state != Entry::State::settled; }));
  return view;
}

}  // namespace flotilla::events
