// The journal of the simulated world, and what must hold of what is written and sent.
#include <algorithm>
#include <utility>

#include "flotilla/events/core/simulation/queue_world.hpp"

namespace flotilla::events::simulation {
namespace {

using Kind = DeliveryAnswer::Kind;
using What = queue_input::AppendFailed::What;

}  // namespace

void QueueWorld::carry_out(queue_effect::Append& append) {
  note("append " + append.item.id.text() + " v" + std::to_string(append.item.version) + " type " +
       std::to_string(static_cast<int>(append.type)) + " " + std::string(to_string(append.item.state)));
  if (append.type == QueueRecord::sending) {
    check_begin(append);
  }
  const std::uint64_t number = next_writing_++;
  writings_.emplace(number, Writing{.append = std::move(append), .life = life_});
  schedule(chance(odds_.slow_disk) ? std::chrono::seconds(1) : Duration(std::chrono::milliseconds(2)),
           CommitDue{number});
}

// Q3, Q4, Q5 and Q6, of an attempt that begins.
void QueueWorld::check_begin(const queue_effect::Append& append) {
  const At at = append.item.stream.value();
  const auto found = facts_.find(at);
  if (found == facts_.end()) {
    violated("Q1: " + append.item.id.text() + " is begun, and it is not durable");
    return;
  }
  Fact& fact = found->second;
  const std::string id = fact.row.id.text();
  if (gate_ == QueueGate::closed) {
    violated("Q4: " + id + " is begun while the breaker is open");
  }
  const std::size_t most = gate_ == QueueGate::probe ? 1 : policy_.concurrency;
  if (under_way_ >= most) {
    violated("Q4: " + id + " is begun while " + std::to_string(under_way_) + " are under way");
  }
  if (clock_ < next_begin_) {
    violated("Q6: " + id + " is begun before the pace allows");
  }
  next_begin_ = clock_ + Duration(static_cast<std::int64_t>(1e9 / pace_)) - Duration(1);
  if (wall_ms() >= fact.row.expires) {
    violated("Q6: " + id + " is begun, and it has expired");
  }
  if (wall_ms() + 1 < fact.row.due && fact.not_before != Instant::min()) {
    violated("Q6: " + id + " is begun before it is due");
  }
  if (clock_ < fact.not_before) {
    violated("Q6: " + id + " is begun before the service wanted it");
  }
  if (fact.spent >= policy_.retry.attempts) {
    violated("Q5: " + id + " is begun, and no attempt is left");
  }
  if (fact.said_no && fact.row.certainty == Certainty::never_sent) {
    violated("Q5: " + id + " is begun, and the service has refused it");
  }
  if (fact.row.certainty == Certainty::unknown && !fact.row.resendable && !policy_.deduplicates &&
      !fact.row.forced) {
    violated("Q2: " + id + " is begun, and it may have been done");
  }
  if (!fact.row.key.empty()) {
    for (const auto& [other_at, other] : facts_) {
      if (other_at == at || other.row.key != fact.row.key) {
        continue;
      }
      if (other.under_way || (other_at < at && is_open(other) && other.told)) {
        violated("Q3: " + id + " is begun before " + other.row.id.text() + " of its key is settled");
      }
    }
  }
  if (fact.waited) {
    coverage_.count(QueuePassage::waited_for_key);
  }
  for (auto& [other_at, other] : facts_) {
    other.waited = other.waited || (other_at > at && !other.row.key.empty() && other.row.key == fact.row.key);
  }
  if (gate_ == QueueGate::probe) {
    coverage_.count(QueuePassage::probed);
  }
  fact.under_way = true;
  ++under_way_;
}

void QueueWorld::on(const CommitDue& due) {
  const auto found = writings_.find(due.writing);
  if (found == writings_.end()) {
    return;  // lost in a crash
  }
  Writing& writing = found->second;
  if (writings_.begin()->first != due.writing &&
      std::any_of(writings_.begin(), found, [](const auto& each) { return !each.second.written; })) {
    schedule(std::chrono::milliseconds(1), CommitDue{due.writing});  // one after the other
    return;
  }
  const std::uint64_t op = writing.append.op;
  const bool offer = writing.append.type == QueueRecord::accepted;
  const auto fails = [&](What what, journal::StreamId holder = {}) {
    writing.written = true;
    schedule(some(std::chrono::milliseconds(3)),
             CommitKnown{due.writing, queue_input::AppendFailed{
                                          .op = op, .what = what, .holder = holder, .detail = "a test"}});
  };
  if (offer && !writing.append.item.claim.empty()) {
    if (const auto holder = claims_.find(writing.append.item.claim); holder != claims_.end()) {
      const bool same = facts_.at(holder->second).row.path == writing.append.item.path;
      fails(same ? What::key_taken : What::key_reused, journal::StreamId(holder->second));
      return;
    }
  }
  if (chance(odds_.fail_store)) {
    const bool sure = offer && random_.below(2) == 0;
    coverage_.count(offer ? QueuePassage::offer_failed_unkept : QueuePassage::reloaded_unwritten);
    fails(sure ? What::not_kept : What::unknown);
    return;
  }
  const auto before = facts_.find(writing.append.item.stream.value());
  if (!offer && (before == facts_.end() || before->second.row.version + 1 != writing.append.item.version)) {
    fails(What::conflict);
    return;
  }
  if (!write(writing)) {
    return;
  }
  if (chance(odds_.lie_store)) {
    coverage_.count(offer ? QueuePassage::offer_failed_kept : QueuePassage::reloaded_written);
    fails(What::unknown);
    return;
  }
  schedule(some(std::chrono::milliseconds(3)),
           CommitKnown{due.writing, queue_input::Appended{.op = op, .stream = writing.append.item.stream}});
}

// Makes it durable. False: something must not be so.
bool QueueWorld::write(Writing& writing) {
  queue_effect::Append& append = writing.append;
  writing.written = true;
  if (append.type == QueueRecord::accepted) {
    if (!append.item.claim.empty() && claims_.contains(append.item.claim)) {
      return true;  // in a crash: it would have been refused
    }
    const At at = next_stream_++;
    append.item.stream = journal::StreamId(at);
    const auto full = std::ranges::count_if(facts_, [this](const auto& each) {
      return is_open(each.second) || each.second.row.state == QueueState::dead;
    });
    if (static_cast<std::size_t>(full) >= policy_.items) {
      violated("Q7: it holds " + std::to_string(full + 1) + " calls");
      return false;
    }
    Fact& fact = facts_[at];
    fact.row = append.item;
    fact.mood = moods_[append.item.id];
    fact.told = false;
    // Its sender's own attempt may have acted.
    fact.acts = append.item.certainty == Certainty::unknown && random_.below(2) == 0 ? 1 : 0;
    if (!append.item.claim.empty()) {
      claims_[append.item.claim] = at;
    }
    return true;
  }
  const auto found = facts_.find(append.item.stream.value());
  if (found == facts_.end() || found->second.row.version + 1 != append.item.version) {
    return true;  // in a crash: it would have been refused
  }
  Fact& fact = found->second;
  fact.spent += append.type == QueueRecord::sending ? 1 : 0;
  if (append.type == QueueRecord::outcome) {
    fact.spent -= std::exchange(fact.held, false) ? 1 : 0;
    fact.not_before = std::exchange(fact.wanted, Instant::min());
    check_outcome(fact, append);
  }
  if (append.type == QueueRecord::requeued) {
    fact.spent = 0;
    fact.said_no = false;
    fact.allowed += fact.row.certainty == Certainty::unknown ? 1 : 0;
    fact.not_before = Instant::min();
    coverage_.count(QueuePassage::requeued);
  }
  if (append.type == QueueRecord::removed) {
    coverage_.count(QueuePassage::removed);
  }
  fact.row = append.item;
  fact.told = false;
  if (fact.row.state == QueueState::dead || fact.row.state == QueueState::removed) {
    claims_.erase(fact.row.claim);
  }
  return outcome_.violation.empty();
}

// Q5.
void QueueWorld::check_outcome(const Fact& fact, const queue_effect::Append& append) {
  const QueueItem& item = append.item;
  const std::string id = item.id.text();
  if (item.state == QueueState::pending) {
    return;
  }
  if (item.state == QueueState::done) {
    coverage_.count(QueuePassage::done);
    if (!fact.said_ok) {
      violated("Q5: " + id + " is done, and the service did not say so");
    }
    return;
  }
  if (item.state != QueueState::dead || !item.reason) {
    violated("Q5: " + id + " is settled as " + std::string(to_string(item.state)));
    return;
  }
  switch (*item.reason) {
    case QueueDeadReason::refused:
      coverage_.count(QueuePassage::refused);
      if (!fact.said_no) {
        violated("Q5: " + id + " is refused, and the service did not say so");
      }
      return;
    case QueueDeadReason::exhausted:
      coverage_.count(QueuePassage::exhausted);
      if (fact.spent < policy_.retry.attempts) {
        violated("Q5: " + id + " is exhausted after " + std::to_string(fact.spent) + " attempts");
      }
      return;
    case QueueDeadReason::expired:
      coverage_.count(QueuePassage::expired);
      if (wall_ms() < fact.row.expires) {
        violated("Q5: " + id + " has expired too early");
      }
      return;
    case QueueDeadReason::unknown:
      coverage_.count(item.code == "interrupted" ? QueuePassage::interrupted : QueuePassage::lost_for_good);
      if (item.resendable || policy_.deduplicates || item.certainty != Certainty::unknown) {
        violated("Q5: " + id + " is given up, and it could be sent again");
      }
      return;
  }
}

void QueueWorld::on(const CommitKnown& known) {
  const auto found = writings_.find(known.writing);
  if (found == writings_.end()) {
    return;
  }
  const Writing writing = std::move(found->second);
  writings_.erase(found);
  const At at = writing.append.item.stream.value();
  if (const auto fact = facts_.find(at); fact != facts_.end() && writing.life == life_) {
    fact->second.told = true;
    if (writing.append.type == QueueRecord::outcome) {
      fact->second.under_way = false;
    }
  }
  std::visit([this](const auto& told) { feed(told); }, known.told);
}

void QueueWorld::carry_out(queue_effect::Send& send) {
  const At at = send.item.stream.value();
  const auto found = facts_.find(at);
  if (found == facts_.end() || found->second.row.state != QueueState::sending ||
      found->second.row.version != send.item.version) {
    violated("Q8: " + send.item.id.text() + " is sent, and no durable record says so");
    return;
  }
  const std::uint64_t number = next_attempt_++;
  attempts_[number] = {.life = life_, .token = send.token, .at = at};
  const auto answers = [&](Kind kind, Duration in) {
    DeliveryAnswer head{.kind = kind};
    if (kind == Kind::held_back && random_.below(2) == 0) {
      head.retry_after = some(std::chrono::seconds(3));
    }
    schedule(in, Deliver{number, head});
  };
  if (chance(odds_.held)) {
    answers(Kind::held_back, std::chrono::milliseconds(1));
  } else if (chance(odds_.away)) {
    answers(Kind::not_sent, std::chrono::milliseconds(20));
  } else if (chance(odds_.lose_request)) {
    answers(Kind::lost, policy_.timeout);
  } else if (chance(odds_.late)) {
    schedule(policy_.timeout + some(std::chrono::minutes(1)), Arrive{number, false});
    answers(Kind::lost, policy_.timeout);
  } else if (chance(odds_.lose_answer)) {
    schedule(some(std::chrono::milliseconds(300)), Arrive{number, false});
    answers(Kind::lost, policy_.timeout);
  } else {
    schedule(some(std::chrono::milliseconds(300)), Arrive{number, true});
  }
}

void QueueWorld::carry_out(const queue_effect::Wake& wake) {
  if (wake.at != kNever) {
    schedule(std::max(wake.at - clock_, Duration::zero()), TimerDue{life_});
  }
}

void QueueWorld::carry_out(const queue_effect::KeyWaits& /*waits*/) {}

// Q1.
void QueueWorld::carry_out(const queue_effect::Reply& reply) {
  const auto found = offered_.find(reply.waiter);
  if (found == offered_.end()) {
    if (!reply.done) {
      coverage_.count(QueuePassage::person_refused);
    }
    return;
  }
  Offered& offered = found->second;
  if (std::exchange(offered.answered, true)) {
    violated("Q1: an offer is answered twice");
  }
  const auto durable = [&](const Ulid& id) {
    return std::ranges::any_of(facts_, [&](const auto& each) { return each.second.row.id == id; });
  };
  switch (reply.offer) {
    case QueueOffer::accepted:
      coverage_.count(QueuePassage::accepted);
      if (!durable(offered.id)) {
        violated("Q1: 'pending' is said of " + offered.id.text() + ", which is not durable");
      }
      return;
    case QueueOffer::duplicate:
      coverage_.count(QueuePassage::duplicate);
      return;
    case QueueOffer::key_reused:
      coverage_.count(QueuePassage::key_reused);
      return;
    case QueueOffer::full:
      coverage_.count(QueuePassage::full);
      return;
    case QueueOffer::too_large:
    case QueueOffer::failed:
      if (!reply.maybe_kept && durable(offered.id)) {
        violated("Q1: it is said that " + offered.id.text() + " was not kept, and it was");
      }
      return;
  }
}

void QueueWorld::carry_out(const queue_effect::DeadLetter& dead) {
  note("dead letter " + dead.item.id.text());
}

void QueueWorld::carry_out(const queue_effect::Reload& /*reload*/) {
  note("reload");
  ++life_;
  schedule(std::chrono::milliseconds(100), LoadDue{life_});
}

void QueueWorld::carry_out(const queue_effect::Stop& /*stop*/) {}

}  // namespace flotilla::events::simulation
