#include "flotilla/saga/core/simulation/crowd.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <queue>
#include <unordered_map>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/lock_table.hpp"

namespace flotilla::saga::simulation {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kInput = microseconds(10);  // of the processor
constexpr Duration kEffect = microseconds(5);
constexpr Duration kCommit = milliseconds(1);   // of a group
constexpr Duration kBatch = microseconds(5);    // and of each batch in it
constexpr Duration kService = milliseconds(5);  // of a healthy one
constexpr std::size_t kSlots = 16;              // of each service
constexpr Duration kRead = microseconds(500);   // of a saga's records
constexpr std::size_t kReads = 16;              // at once, while taking up
constexpr Duration kCrowdGap = microseconds(500);
constexpr Duration kOtherGap = milliseconds(5);
constexpr Duration kLongEnough = std::chrono::hours(6);  // then something never ends

DefinitionPtr built(const SagaBuilder& builder) {
  auto definition = builder.build();
  FLOTILLA_ASSERT(definition.has_value());
  return *std::move(definition);
}

StepBuilder step(std::string name, std::string_view service) {
  return StepBuilder(std::move(name))
      .action(fmt::format("POST {}/things", service))
      .undo(fmt::format("DELETE {}/things", service))
      .replays_answers();
}

class Definitions final : public DefinitionSource {
 public:
  [[nodiscard]] DefinitionPtr find(std::string_view hash) const override {
    for (const DefinitionPtr& each : {other, poisoned, sleeper, locked}) {
      if (each->hash.value() == hash) {
        return each;
      }
    }
    return nullptr;
  }

  DefinitionPtr other = built(SagaBuilder("other").step(step("a", "well")).step(step("b", "well")));
  DefinitionPtr poisoned = built(SagaBuilder("poisoned").step(step("a", "near")).step(step("b", "ill")));
  DefinitionPtr sleeper = built(SagaBuilder("sleeper")
                                    .step(StepBuilder("a").signal({.signal = "wake", .within = {}}))
                                    .step(step("b", "near")));
  DefinitionPtr locked = built(SagaBuilder("locked").lock("the one").step(step("a", "ill")));
};

class Crowd {
 public:
  explicit Crowd(const CrowdConfig& config) : config_(config), random_(config.seed) { take_over(); }

  CrowdOutcome run() {
    const DefinitionPtr kinds[] = {definitions_.poisoned, definitions_.sleeper, definitions_.locked};
    for (std::size_t i = 0; i < config_.crowd; ++i) {
      at(kCrowdGap * static_cast<std::int64_t>(i), Submit{kinds[i % 3]});
    }
    let_pass(kCrowdGap * static_cast<std::int64_t>(config_.crowd) + seconds(1));
    outcome_.beside = with_others();
    take_over();
    outcome_.meanwhile = with_others();
    let_pass(Duration(0), [this] { return reading_ == 0; });
    ill_ = false;
    for (const SagaId saga : order_) {
      at(Duration(0), Signal{saga});
    }
    let_pass(kLongEnough, [this] { return ended_ == order_.size(); });
    for (const SagaId saga : order_) {
      if (outcome_.violation.empty() && !sagas_.at(saga).ended) {
        outcome_.violation = fmt::format("L1: a saga {} never ended", sagas_.at(saga).name);
      }
    }
    return std::move(outcome_);
  }

 private:
  struct Saga {
    std::string_view name;
    Instant submitted;
    Instant ended_at;
    bool ended = false;
    std::vector<StoredRecord> records;
    std::vector<std::string> locks;
    std::uint64_t number = 0;
  };
  struct Submit {
    DefinitionPtr definition;
  };
  struct Signal {
    SagaId saga;
  };
  struct Feed {
    Input input;
  };
  struct Answered {
    std::string service;
    input::Answer answer;
  };
  struct Woken {
    SagaId saga;
  };
  struct Committed {};
  struct Read {
    SagaId saga;
  };
  using What = std::variant<Submit, Signal, Feed, Answered, Woken, Committed, Read>;
  struct Due {
    Instant at;
    std::uint64_t order;
    std::uint64_t epoch;  // of the owner it is for; 0: of whoever it is
    mutable What what;
    bool operator<(const Due& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void at(Duration in, What what, bool for_any = true) {
    queue_.push({saturating_add(now_, in), ++pushed_, for_any ? 0 : epoch_, std::move(what)});
  }

  // Lets happen what is due until then, or until `over`.
  template <class Over>
  void let_pass(Duration in, Over over) {
    const Instant end = in == Duration(0) ? kNever : saturating_add(now_, in);
    while (!queue_.empty() && queue_.top().at <= end && !over()) {
      const Due& top = queue_.top();
      const Instant when = top.at;
      const bool for_us = top.epoch == 0 || top.epoch == epoch_;
      What what = std::move(top.what);
      queue_.pop();
      now_ = std::max(now_, when);
      if (for_us) {
        std::visit([this](auto& each) { this->on(each); }, what);
      }
    }
    now_ = end == kNever || over() ? now_ : std::max(now_, end);
  }
  void let_pass(Duration in) {
    let_pass(in, [] { return false; });
  }

  // One comes after the other; each must have ended at last.
  std::vector<Duration> with_others() {
    const std::size_t first = others_.size();
    for (std::size_t i = 0; i < config_.others; ++i) {
      at(kOtherGap * static_cast<std::int64_t>(i), Submit{definitions_.other});
    }
    let_pass(kOtherGap * static_cast<std::int64_t>(config_.others));
    let_pass(kLongEnough, [&] { return others_ended_ == first + config_.others; });
    std::vector<Duration> took;
    for (std::size_t i = first; i < others_.size(); ++i) {
      const Saga& saga = sagas_.at(others_[i]);
      took.push_back(saga.ended ? saga.ended_at - saga.submitted : kLongEnough);
    }
    std::ranges::sort(took);
    return took;
  }

  void feed(Input input) {
    ++outcome_.inputs;
    // The processor takes one after the other.
    now_free_ = std::max(now_free_, now_);
    Effects effects = engine_->step(
        std::move(input), {.mono = now_free_, .wall = {kWall + now_free_.time_since_epoch().count()}});
    now_free_ += kInput + kEffect * static_cast<std::int64_t>(effects.size());
    last_effects_ = effects.size();
    for (Effect& effect : effects) {
      std::visit([this](auto& each) { carry_out(each); }, effect);
    }
  }

  void on(Submit& submit) {
    submitting_ = now_;
    feed(input::Submit{.waiter = ++waiters_,
                       .definition = submit.definition,
                       .input = json::Value::object(),
                       .key = {},
                       .parent = {},
                       .trace = {},
                       .correlation = {}});
  }
  void on(const Signal& signal) {
    if (sagas_.at(signal.saga).name == "sleeper") {
      feed(input::Signal{.saga = signal.saga, .waiter = 0, .id = "1", .name = "wake", .payload = {}});
    }
  }
  void on(Feed& next) { feed(std::move(next.input)); }
  void on(Answered& answered) {
    --in_flight_[answered.service];
    feed(std::move(answered.answer));
  }
  void on(const Woken& woken) {
    const auto wake = wakes_.find(woken.saga);
    if (wake != wakes_.end() && wake->second <= now_) {
      wakes_.erase(wake);
      feed(input::Timer{.saga = woken.saga});
    }
  }
  void on(const Committed& /*committed*/) {
    for (effect::Append& append : std::exchange(committing_, {})) {
      commit(append);
    }
    begin_commit();
  }
  void on(const Read& read) {
    --reading_;
    const Saga& saga = sagas_.at(read.saga);
    const bool admitted = saga.locks.empty() || locks_.holds(read.saga);
    feed(
        input::Load{.saga = read.saga, .records = saga.records, .admitted = admitted, .number = saga.number});
    outcome_.work += 1 + last_effects_ + saga.records.size();
    outcome_.taking = now_free_ - died_;
    read_next();
  }

  void carry_out(effect::Append& append) {
    if (append.expected == 0) {
      sagas_[append.saga].submitted = submitting_;
    }
    pending_.push_back(std::move(append));
    if (committing_.empty()) {
      begin_commit();
    }
  }
  void carry_out(effect::Send& send) {
    const std::string service = send.request->service;
    input::Answer answer{.saga = send.saga, .token = send.token};
    std::size_t& in_flight = in_flight_[service];
    if (in_flight >= kSlots) {
      answer.head.kind = AnswerHead::Kind::not_sent;
      answer.held_back = true;
      at(now_free_ - now_, Feed{std::move(answer)}, false);
      return;
    }
    ++in_flight;
    const bool never = ill_ && service == "ill";
    answer.head = {.kind = never ? AnswerHead::Kind::lost : AnswerHead::Kind::status, .status = 200};
    at(now_free_ - now_ + (never ? send.timeout : kService), Answered{service, std::move(answer)}, false);
  }
  void carry_out(const effect::Wake& wake) {
    wakes_.erase(wake.saga);
    if (wake.at != kNever) {
      wakes_[wake.saga] = wake.at;
      at(std::max(wake.at - now_, Duration(0)), Woken{wake.saga}, false);
    }
  }
  void carry_out(const effect::Ended& ended) {
    Saga& saga = sagas_.at(ended.saga);
    saga.ended_at = now_free_;
    ended_ += saga.ended ? 0 : 1;
    others_ended_ += saga.ended || saga.name != "other" ? 0 : 1;
    saga.ended = true;
  }
  void carry_out(const auto& /*effect*/) {}

  void begin_commit() {
    if (!pending_.empty()) {
      committing_ = std::exchange(pending_, {});
      at(now_free_ > now_ ? now_free_ - now_ + kCommit : kCommit, Committed{}, false);
    }
  }
  void commit(effect::Append& append) {
    Saga& saga = sagas_[append.saga];
    const bool created = append.expected == 0;
    for (effect::EncodedRecord& record : append.records) {
      saga.records.push_back(
          {.type = record.type, .epoch = append.epoch, .time = append.time, .body = std::move(record.body)});
    }
    if (created) {
      order_.push_back(append.saga);
      saga.name = definitions_.find(append.definition)->name;
      saga.number = order_.size();
      saga.locks = append.locks;
      if (saga.name == "other") {
        others_.push_back(append.saga);
      }
      if (!append.locks.empty()) {
        (void)locks_.claim(append.saga, append.locks);
      }
    }
    const bool admitted = saga.locks.empty() || locks_.holds(append.saga);
    if (append.release_locks) {
      for (const SagaId next : locks_.release(append.saga)) {
        if (sagas_.at(next).number < last_admitted_) {
          outcome_.violation = "L3: a saga that came later had the lock earlier";
        }
        last_admitted_ = sagas_.at(next).number;
        at(Duration(0), Feed{input::LockGranted{.saga = next}}, false);
      }
    }
    at(kBatch,
       Feed{input::Appended{.saga = append.saga, .admitted = admitted, .number = created ? saga.number : 0}},
       false);
  }
  // What was under way is lost; what is durable is read, a few at a time.
  void take_over() {
    died_ = now_;
    engine_ = std::make_unique<Engine>(
        EngineConfig{.keys = {{1, 2}}, .epoch = ++epoch_, .seed = random_.next(), .faults = config_.faults},
        definitions_);
    in_flight_.clear();
    wakes_.clear();
    pending_.clear();
    committing_.clear();
    locks_ = LockTable();
    for (const SagaId saga : order_) {
      const Saga& left = sagas_.at(saga);
      if (left.ended) {
        continue;
      }
      if (!left.locks.empty()) {
        (void)locks_.claim(saga, left.locks);
      }
      to_read_.push_back(saga);
    }
    outcome_.taken_up = to_read_.size();
    for (std::size_t i = 0; i < kReads; ++i) {
      read_next();
    }
  }
  void read_next() {
    if (!to_read_.empty()) {
      ++reading_;
      at(kRead, Read{to_read_.front()});
      to_read_.pop_front();
    }
  }

  static constexpr std::int64_t kWall = 1'700'000'000'000'000'000;
  CrowdConfig config_;
  Definitions definitions_;
  Random random_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t epoch_ = 0;
  bool ill_ = true;
  Instant now_{std::chrono::hours(1)};
  Instant now_free_{};  // the processor
  Instant died_{};
  std::priority_queue<Due> queue_;
  std::uint64_t pushed_ = 0;
  std::size_t last_effects_ = 0;
  Waiter waiters_ = 0;
  Instant submitting_{};
  std::vector<effect::Append> pending_, committing_;
  std::unordered_map<std::string, std::size_t> in_flight_;
  std::unordered_map<SagaId, Instant> wakes_;
  LockTable locks_;
  std::uint64_t last_admitted_ = 0;
  std::unordered_map<SagaId, Saga> sagas_;
  std::vector<SagaId> order_, others_;
  std::size_t ended_ = 0;
  std::size_t others_ended_ = 0;
  std::deque<SagaId> to_read_;
  std::size_t reading_ = 0;
  CrowdOutcome outcome_;
};

Duration p99(const std::vector<Duration>& sorted) {
  return sorted.empty() ? Duration(0) : sorted[sorted.size() * 99 / 100];
}

double share(double whole, std::size_t parts) {
  return whole / static_cast<double>(std::max<std::size_t>(parts, 1));
}

}  // namespace

CrowdOutcome live(const CrowdConfig& config) { return Crowd(config).run(); }

std::string compare(const CrowdOutcome& smaller, const CrowdOutcome& larger) {
  const auto longer = [](const std::vector<Duration>& before, const std::vector<Duration>& now,
                         std::string_view when) {
    const auto [was, is] = std::pair(p99(before), p99(now));
    return static_cast<double>(is.count()) <= static_cast<double>(was.count()) * kMostLonger
               ? std::string()
               : fmt::format("L3: the p99 of others {} is {} ms instead of {} ms", when,
                             is / std::chrono::milliseconds(1), was / std::chrono::milliseconds(1));
  };
  for (const CrowdOutcome* each : {&smaller, &larger}) {
    if (!each->violation.empty()) {
      return each->violation;
    }
  }
  if (std::string wrong = longer(smaller.beside, larger.beside, "beside the crowd"); !wrong.empty()) {
    return wrong;
  }
  if (std::string wrong = longer(smaller.meanwhile, larger.meanwhile, "while it is taken up");
      !wrong.empty()) {
    return wrong;
  }
  if (smaller.taken_up == 0) {
    return {};
  }
  const double work[] = {share(static_cast<double>(smaller.work), smaller.taken_up),
                         share(static_cast<double>(larger.work), larger.taken_up)};
  const double time[] = {share(static_cast<double>(smaller.taking.count()), smaller.taken_up),
                         share(static_cast<double>(larger.taking.count()), larger.taken_up)};
  if (work[1] > work[0] * kMostWork || time[1] > time[0] * kMostWork) {
    return fmt::format(
        "L4: taking up one of {} makes {:.1f} of work in {:.0f} ns, one of {} {:.1f} in {:.0f} ns",
        smaller.taken_up, work[0], time[0], larger.taken_up, work[1], time[1]);
  }
  return {};
}

}  // namespace flotilla::saga::simulation
