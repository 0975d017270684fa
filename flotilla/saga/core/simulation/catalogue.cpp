#include "flotilla/saga/core/simulation/catalogue.hpp"

#include <algorithm>
#include <string>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/builder.hpp"

namespace flotilla::saga::simulation {
namespace {

using namespace std::chrono_literals;

// Services are named by their grade: honest ones take a key once, those with a barrier also refuse an action
// that arrives after its undo, naive ones know nothing of keys.
StepBuilder step(const std::string& name, const std::string& service) {
  StepBuilder builder(name);
  builder.action("POST " + service + "/" + name, "{n: .input.n, saga: .saga.id}")
      .timeout(2s)
      .retry({.attempts = 3, .within = std::nullopt, .first = 100ms, .cap = 5s, .factor = {}});
  return builder;
}

StepBuilder last(const std::string& name, const std::string& service) {
  StepBuilder builder = step(name, service);
  builder.retriable().retry({.attempts = {}, .within = {}, .first = 100ms, .cap = 40s, .factor = {}});
  return builder;
}

StepBuilder undoable(const std::string& name, const std::string& service) {
  StepBuilder builder = step(name, service);
  builder.undo("DELETE " + service + "/" + name + "/{.input.n}", "{why: .saga.cause.reason}").undo_404_ok();
  if (service == "barrier") {
    builder.barrier();
  }
  return builder;
}

}  // namespace

Catalogue::Catalogue() {
  add_sequences();
  add_graphs();
  add_waits();
  add_nested();
}

DefinitionPtr Catalogue::find(std::string_view hash) const {
  for (const DefinitionPtr& each : all_) {
    if (each->hash.value() == hash) {
      return each;
    }
  }
  return nullptr;
}

Catalogue::Catalogue(std::vector<DefinitionPtr> all, DefinitionPtr submitted,
                     const std::optional<json::Value>& input)
    : all_(std::move(all)) {
  for (const DefinitionPtr& each : all_) {
    stubs_.try_emplace(each->hash.value(), *each, each == submitted ? input : std::nullopt);
  }
  submitted_.push_back(std::move(submitted));
}

void Catalogue::add(DefinitionPtr definition) {
  stubs_.try_emplace(definition->hash.value(), *definition);
  all_.push_back(std::move(definition));
}

Grade Catalogue::grade(const Step& step, Op op) const {
  const auto* request = std::get_if<Request>(&step.action);
  if (is_of_a_user()) {
    return declared_grade(step, op);
  }
  if (request == nullptr && !step.undo) {
    return Grade::reads;
  }
  // Those of its own are named by their grade.
  const std::string_view name =
      request != nullptr ? request->target.service().value() : step.undo->target.service().value();
  return name == "naive" ? Grade::naive : name == "barrier" ? Grade::barrier : Grade::honest;
}

Duration Catalogue::longest_wait() const noexcept {
  Duration longest(0);
  const auto count = [&longest](std::optional<Duration> wait) {
    longest = std::max(longest, wait.value_or(Duration(0)));
  };
  for (const DefinitionPtr& each : all_) {
    count(each->deadline);
    for (const Step& step : each->steps) {
      if (const auto* timer = std::get_if<TimerWait>(&step.action)) {
        count(timer->length);
      } else if (const auto* signal = std::get_if<SignalWait>(&step.action)) {
        count(signal->within);
      } else {
        count(step.retry.within);
      }
    }
  }
  return longest;
}

namespace {

void build(Catalogue& catalogue, const SagaBuilder& builder) {
  auto built = builder.build(catalogue.all());
  FLOTILLA_ASSERT(built.has_value());
  catalogue.add(*std::move(built));
}

}  // namespace

void Catalogue::add_sequences() {
  SagaBuilder order("order");
  order.deadline(40s)
      .lock("order:{.input.n}")
      .publish("accepted", "order.placed")
      .publish("done.charge", "order.paid")
      .publish("compensated", "order.undone")
      .step(undoable("reserve", "barrier"))
      .step(undoable("charge", "honest").status("GET honest/charge"))
      .step(step("ship", "barrier").pivot().status("GET barrier/ship"))
      .step(last("notify", "barrier"))
      .result("{n: .input.n}");
  build(*this, order);

  SagaBuilder unsure("unsure");
  unsure.step(undoable("book", "honest").suspend_when_unknown())
      .step(undoable("pay", "barrier").replays_answers())
      .step(step("send", "honest").pivot().replays_answers());
  build(*this, unsure);

  SagaBuilder undone("undone-pivot");
  undone.deadline(30s)
      .step(undoable("hold", "barrier"))
      .step(undoable("commit", "barrier").pivot().abort_when_unknown());
  build(*this, undone);

  SagaBuilder failing("failing");
  failing.fail_when_blocked().step(undoable("one", "honest")).step(undoable("two", "barrier").accept_202());
  build(*this, failing);

  SagaBuilder naive("naive");
  naive.step(undoable("take", "naive")).step(undoable("give", "naive").outcome(402, Verdict::retry));
  build(*this, naive);
}

void Catalogue::add_graphs() {
  SagaBuilder diamond("diamond");
  diamond.deadline(60s)
      .lock("left:{.input.n}")
      .lock("right:{.input.n}")
      .reject_if_locked()
      .step(undoable("a", "barrier"))
      .step(undoable("b", "honest").after({"a"}))
      .step(undoable("c", "barrier").after({"a"}).when(".input.n % 2 == 0"))
      .step(StepBuilder("look").after({"a"}).action("GET honest/look").no_undo("it only looks").timeout(2s))
      .step(step("d", "barrier").pivot().after({"b", "c", "look"}))
      .step(last("e", "barrier").after({"d"}))
      .step(last("f", "honest").after({"d"}));
  build(*this, diamond);

  SagaBuilder drain("drain");
  drain.drain_on_failure()
      .lock("drain:{.input.n}")
      .wait_for_locks(3s)
      .step(undoable("p", "barrier").after({}))
      .step(undoable("q", "honest").after({}))
      .step(undoable("r", "barrier").after({"p", "q"}));
  build(*this, drain);

  SagaBuilder wide("wide");
  wide.independent_undo()
      .deadline(20s)
      .step(undoable("w1", "barrier").after({}))
      .step(undoable("w2", "honest").after({}))
      .step(undoable("w3", "barrier").after({}))
      .step(undoable("w4", "barrier").after({"w1", "w2", "w3"}));
  build(*this, wide);
}

void Catalogue::add_waits() {
  SagaBuilder approval("approval");
  approval.deadline(10min)
      .step(undoable("draft", "barrier"))
      .step(StepBuilder("approve").signal({.signal = "approve", .within = 90s, .abort_when_over = true}))
      .step(StepBuilder("cool").timer(45s))
      .step(StepBuilder("second").signal({.signal = "approve", .within = 60s, .abort_when_over = false}))
      .step(step("publish", "barrier").pivot());
  build(*this, approval);
}

void Catalogue::add_nested() {
  SagaBuilder leg("leg");
  leg.step(undoable("seat", "barrier")).step(undoable("meal", "honest")).result("{seat: .input.n}");
  build(*this, leg);

  SagaBuilder ticket("ticket");
  ticket.step(undoable("hold", "barrier")).step(step("issue", "barrier").pivot().replays_answers());
  build(*this, ticket);

  SagaBuilder trip("trip");
  trip.deadline(5min)
      .step(StepBuilder("out").saga("leg", "{n: .input.n}"))
      .step(StepBuilder("back").saga("leg", "{n: (.input.n + 1)}"))
      .step(undoable("bill", "barrier"))
      .step(step("confirm", "barrier").pivot());
  build(*this, trip);

  SagaBuilder tour("tour");
  tour.step(StepBuilder("ride").saga("leg", "{n: .input.n}"))
      .step(StepBuilder("entry")
                .saga("ticket", "{n: .input.n}")
                .undo("DELETE barrier/entry/{.input.n}")
                .undo_404_ok())
      .step(undoable("guide", "barrier"));
  build(*this, tour);
}

}  // namespace flotilla::saga::simulation
