#include "flotilla/saga/core/simulation/small_world.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::saga::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kWallOffset = 1'700'000'000'000'000'000;

}  // namespace

SmallWorld::SmallWorld(const SmallCase& small, const Catalogue& catalogue, Coverage& coverage,
                       EngineFaults faults)
    : small_(small), catalogue_(catalogue), faults_(faults), oracle_(catalogue, coverage) {}

void SmallWorld::violated(const std::string& what) {
  if (outcome_.violation.empty()) {
    outcome_.violation = what;
  }
}

void SmallWorld::schedule(Duration in, decltype(Event::what) what) {
  queue_.push({.at = clock_ + in, .order = next_order_++, .what = what});
}

// The owner dies: what it has not been told of is lost with it, what is durable is not.
void SmallWorld::take_over() {
  ++epoch_;
  wake_ = kNever;
  oracle_.forget_answers();
  engine_ = std::make_unique<Engine>(
      EngineConfig{.keys = {{1, 2}}, .epoch = epoch_, .seed = 7, .faults = faults_}, catalogue_);
  if (!records_.empty() && !oracle_.ended()) {
    feed(input::Load{.saga = saga_, .records = records_, .admitted = true});
  } else if (records_.empty()) {
    submitted_ = false;  // the client hears nothing, and asks again
  }
}

bool SmallWorld::boundary() {
  if (++outcome_.boundaries != small_.crash_at) {
    return false;
  }
  take_over();
  return true;
}

void SmallWorld::feed(Input input) {
  const std::uint64_t epoch = epoch_;
  Effects effects = engine_->step(
      std::move(input), {.mono = clock_, .wall = {kWallOffset + clock_.time_since_epoch().count()}});
  for (Effect& effect : effects) {
    if (!outcome_.violation.empty() || boundary() || epoch != epoch_) {
      return;
    }
    if (auto* append = std::get_if<effect::Append>(&effect)) {
      carry_out(*append);
    } else if (auto* send = std::get_if<effect::Send>(&effect)) {
      carry_out(*send);
    } else if (const auto* wake = std::get_if<effect::Wake>(&effect)) {
      wake_ = wake->at;
      if (wake_ != kNever) {
        schedule(std::max(wake_ - clock_, Duration(0)), Timer{.epoch = epoch_});
      }
    }
  }
}

void SmallWorld::carry_out(effect::Append& append) {
  saga_ = append.saga;
  appends_.push_back(std::move(append));
  schedule(1ms, Commit{.epoch = epoch_, .append = appends_.size() - 1});
}

void SmallWorld::carry_out(effect::Send& send) {
  if (std::string wrong = oracle_.sent(send, true); !wrong.empty()) {
    violated(wrong);
    return;
  }
  for (const Attempt& other : sends_) {
    if (other.epoch != epoch_ || other.answered || other.send.step != send.step) {
      continue;
    }
    violated(other.send.op == send.op ? "I24: two attempts of one operation at once"
                                      : "1.7: an undo beside its action");
  }
  const Duration timeout = send.timeout;
  sends_.push_back({.send = std::move(send), .epoch = epoch_});
  const std::size_t index = sends_.size() - 1;
  schedule(1ms, Arrive{.send = index});
  schedule(timeout, Deliver{.send = index, .status = 0});
}

void SmallWorld::on(const Commit& due) {
  const effect::Append& append = appends_[due.append];
  if (due.epoch != epoch_) {
    return;  // its owner died first
  }
  if (append.expected != records_.size()) {
    violated("I14: an append at the wrong version");
    return;
  }
  std::vector<StoredRecord> batch;
  for (const effect::EncodedRecord& record : append.records) {
    batch.push_back({.type = record.type, .epoch = append.epoch, .time = append.time, .body = record.body});
  }
  if (std::string wrong = oracle_.committed(batch); !wrong.empty()) {
    violated(wrong);
    return;
  }
  std::ranges::copy(batch, std::back_inserter(records_));
  schedule(1ms, Known{.epoch = due.epoch});
}

void SmallWorld::on(const Known& known) {
  if (known.epoch != epoch_) {
    return;
  }
  feed(input::Appended{.saga = saga_, .admitted = true});
  const SagaState* live = engine_->state(saga_);
  const Life* life = engine_->life(saga_);
  if (live != nullptr && life != nullptr && !life->appending && live->seq == records_.size() &&
      encode_snapshot(*live) != encode_snapshot(oracle_.state())) {
    violated("I15: the live state is not the fold of its records");
  }
}

// 0: the effect, and no answer.
std::uint16_t SmallWorld::answer(const effect::Send& send) {
  Book& book = books_[send.step];
  const bool undo = send.op == Op::undo;
  bool& asked = undo ? book.undo_asked : book.asked;
  const First first = asked ? First::done : undo ? small_.undos : small_.actions[send.step];
  asked = true;
  if (undo) {
    if (first == First::refused || first == First::again) {
      return first == First::refused ? 409 : 429;
    }
    book.undone = book.effects;
    return first == First::lost ? 0 : 200;
  }
  if (book.refused || first == First::refused) {
    book.refused = true;
    return 402;
  }
  if (first == First::again) {
    return 429;
  }
  book.effects = 1;
  return first == First::lost ? 0 : 200;
}

void SmallWorld::on(const Arrive& arrive) {
  if (++outcome_.messages == small_.twice_at) {
    schedule(1ms, Arrive{.send = arrive.send, .again = true});
  }
  // What nothing was decided about is not decided by a copy: it would turn the no that was sent into a yes,
  // which no engine can tell.
  const Attempt& attempt = sends_[arrive.send];
  if (arrive.again && attempt.send.op == Op::action && books_[attempt.send.step].effects == 0) {
    return;
  }
  const std::uint16_t status = answer(attempt.send);
  if (status != 0) {
    schedule(1ms, Deliver{.send = arrive.send, .status = status});
  }
}

void SmallWorld::on(const Deliver& deliver) {
  Attempt& attempt = sends_[deliver.send];
  const effect::Send& send = attempt.send;
  if (attempt.epoch != epoch_ || (deliver.status == 0 && attempt.answered)) {
    return;
  }
  if (deliver.status != 0 && ++outcome_.messages == small_.twice_at) {
    schedule(1ms, deliver);
  }
  const AnswerHead head{.kind = deliver.status == 0 ? AnswerHead::Kind::lost : AnswerHead::Kind::status,
                        .status = deliver.status};
  if (!attempt.answered && send.op == Op::action && deliver.status == 402) {
    oracle_.refused_by_answer(send.step);  // these services replay: a refusal is one
  }
  attempt.answered = true;
  feed(input::Answer{.saga = saga_, .token = send.token, .head = head});
}

void SmallWorld::on(const Timer& timer) {
  if (timer.epoch == epoch_ && wake_ != kNever && wake_ <= clock_) {
    wake_ = kNever;
    feed(input::Timer{.saga = saga_});
  }
}

// A person, who looks into the service's books where that is the question.
void SmallWorld::look_after() {
  const SagaState& state = oracle_.state();
  const SuspendState& why = state.suspension;
  const Book& book = books_[why.step];
  input::Operate act{.saga = saga_,
                     .waiter = 0,
                     .verb = Verb::resume,
                     .step = {},
                     .who = "op",
                     .why = "seen",
                     .payload = {}};
  if (why.reason == SuspendReason::pivot_unknown || why.reason == SuspendReason::step_unknown) {
    act.verb = book.effects > book.undone ? Verb::set_result : Verb::abort;
  } else if (why.reason == SuspendReason::step_refused) {
    act.verb = Verb::set_result;
  } else if (why.reason == SuspendReason::undo_blocked) {
    act.verb = Verb::retry;
  }
  feed(std::move(act));
}

void SmallWorld::check_end() {
  const SagaState& state = oracle_.state();
  if (!oracle_.ended()) {
    violated(
        fmt::format("L1: never ended: {}{}", to_string(state.phase), state.suspended ? ", suspended" : ""));
    return;
  }
  for (const StepIndex step : step_indices(small_.definition->steps.size())) {
    const Book& book = books_[step];
    const bool by_hand = oracle_.by_hand()[step] || oracle_.forgiven()[step];
    if (state.phase == Phase::completed && !by_hand && (book.effects != 1 || book.undone != 0)) {
      violated(fmt::format("I5: completed, and {} has {} effects, {} undone",
                           small_.definition->steps[step].name, book.effects, book.undone));
    }
    if (state.phase == Phase::compensated && book.effects != book.undone) {
      violated(fmt::format("I4: compensated, and {} has {} effects, {} undone",
                           small_.definition->steps[step].name, book.effects, book.undone));
    }
  }
}

SmallOutcome SmallWorld::run() {
  take_over();
  for (std::uint32_t events = 0; events < kMaxSmallEvents && outcome_.violation.empty(); ++events) {
    if (!submitted_) {
      submitted_ = true;
      feed(input::Submit{.waiter = 1,
                         .definition = small_.definition,
                         .input = json::Value::object(),
                         .key = "k",
                         .parent = {},
                         .trace = {},
                         .correlation = {}});
    }
    if (queue_.empty()) {
      if (!submitted_) {
        continue;  // its owner died over it
      }
      if (records_.empty() || oracle_.ended() || !oracle_.state().suspended) {
        break;
      }
      look_after();
      continue;
    }
    const Event event = queue_.top();
    queue_.pop();
    clock_ = std::max(clock_, event.at);
    (void)boundary();
    std::visit([this](const auto& what) { on(what); }, event.what);
  }
  if (outcome_.violation.empty()) {
    check_end();
  }
  return std::move(outcome_);
}

}  // namespace flotilla::saga::simulation
