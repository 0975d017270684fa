// The runner's side of service.hpp: checks what needs no saga, finds the shard, and waits for its answer.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/journal/reply.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> refuse(Reason reason, std::string detail) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail)});
}

// Gives the answer to whoever waits for it on another loop; a shard that ends first gives "draining".
template <class T>
class Answering {
 public:
  explicit Answering(journal::Done<Asked<T>> done) : done_(std::move(done)) {}
  Answering(Answering&&) noexcept = default;
  Answering& operator=(Answering&&) = delete;
  ~Answering() {
    if (done_) {
      done_(refuse(Reason::draining, "this process is about to stop: ask again"));
    }
  }
  void give(Asked<T> answer) { std::exchange(done_, nullptr)(std::move(answer)); }

 private:
  journal::Done<Asked<T>> done_;
};

template <class T>
net::Task<> answer(net::Task<Asked<T>> task, Answering<T> waiting) {
  waiting.give(co_await std::move(task));
}

// Names of signals and keys stand in logs and headers.
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

// `make(Shard&)` gives the task that answers; it runs in the shard, whoever waits for it.
template <class T, class Make>
net::Task<Asked<T>> Runner::on(Slot& slot, Make make) {
  journal::Reply<Asked<T>> reply;
  slot.loop->post([&slot, make = std::move(make), waiting = Answering<T>(reply.send())]() mutable {
    if (slot.shard != nullptr) {
      slot.shard->spawn(answer<T>(make(*slot.shard), std::move(waiting)));
    }
  });
  co_return co_await reply;
}

net::Task<Asked<StartResult>> Runner::start(StartRequest request) {
  DefinitionPtr definition = commons_.shelf.current(request.name);
  if (definition == nullptr) {
    co_return refuse(Reason::not_found, fmt::format("no saga is named '{}'", request.name));
  }
  if (request.key.size() > kMaxKeyBytes || !is_printable(request.key)) {
    co_return refuse(
        Reason::invalid,
        fmt::format("an idempotency key has at most {} printable ASCII characters", kMaxKeyBytes));
  }
  if (definition->input) {
    if (const auto valid = definition->input->validate(request.input); !valid) {
      co_return refuse(Reason::invalid, "the input: " + valid.error().summary());
    }
  }
  input::Submit submit{.definition = std::move(definition),
                       .input = std::move(request.input),
                       .key = request.key.empty() ? "" : scoped_key(request.principal, request.key),
                       .parent = {},
                       .trace = std::move(request.trace),
                       .correlation = std::move(request.correlation)};
  const auto started = co_await on<Shard::Started>(
      any_slot(),
      [submit = std::move(submit)](Shard& shard) mutable { return shard.start(std::move(submit)); });
  if (!started) {
    co_return std::unexpected(started.error());
  }
  auto view = co_await end_of(started->saga, request.wait);
  if (!view) {
    co_return std::unexpected(view.error());
  }
  co_return StartResult{.saga = *std::move(view), .existing = started->existing};
}

net::Task<Asked<SagaView>> Runner::end_of(SagaId saga, Duration wait) {
  return on<SagaView>(slot_of(saga), [saga, wait](Shard& shard) { return shard.end_of(saga, wait); });
}

net::Task<Asked<SagaView>> Runner::show(SagaId saga, bool timeline) {
  return on<SagaView>(slot_of(saga), [saga, timeline](Shard& shard) { return shard.show(saga, timeline); });
}

net::Task<Asked<SagaPage>> Runner::list(ListRequest request) {
  return on<SagaPage>(any_slot(), [request = std::move(request)](Shard& shard) mutable {
    return shard.list(std::move(request));
  });
}

net::Task<Asked<json::Value>> Runner::count() {
  return on<json::Value>(any_slot(), [](Shard& shard) { return shard.count(); });
}

net::Task<Asked<CancelResult>> Runner::cancel(CancelRequest request) {
  const SagaId saga = request.saga;
  input::Cancel input{.saga = saga, .who = std::move(request.who), .why = std::move(request.why)};
  const auto done = co_await on<effect::Reply::What>(
      slot_of(saga),
      [saga, input = std::move(input)](Shard& shard) mutable { return shard.ask(saga, std::move(input)); });
  if (!done) {
    co_return std::unexpected(done.error());
  }
  auto view = co_await show(saga, false);
  if (!view) {
    co_return std::unexpected(view.error());
  }
  co_return CancelResult{.saga = *std::move(view),
                         .pivot_decides = *done == effect::Reply::What::pivot_decides};
}

net::Task<Asked<SignalResult>> Runner::signal(SignalRequest request) {
  const SagaId saga = request.saga;
  if (request.name.empty() || request.name.size() > kMaxNameBytes || request.id.size() > kMaxKeyBytes ||
      !is_printable(request.name) || !is_printable(request.id)) {
    co_return refuse(Reason::invalid,
                     fmt::format("a signal needs a name of at most {} printable ASCII characters, and its id "
                                 "has at most {}",
                                 kMaxNameBytes, kMaxKeyBytes));
  }
  if (request.id.empty()) {
    // Ids of callers never begin so by accident, and the epoch keeps those of this process apart.
    request.id = fmt::format("unnamed-{}-{}", commons_.store.journal().epoch(), ++next_signal_);
  }
  input::Signal input{.saga = saga,
                      .id = std::move(request.id),
                      .name = std::move(request.name),
                      .payload = std::move(request.payload)};
  const auto done = co_await on<effect::Reply::What>(
      slot_of(saga),
      [saga, input = std::move(input)](Shard& shard) mutable { return shard.ask(saga, std::move(input)); });
  if (!done) {
    co_return std::unexpected(done.error());
  }
  co_return SignalResult{.duplicate = *done == effect::Reply::What::duplicate};
}

net::Task<Asked<SagaView>> Runner::operate(OperateRequest request) {
  const SagaId saga = request.saga;
  input::Operate input{.saga = saga,
                       .verb = request.verb,
                       .step = {},
                       .who = std::move(request.who),
                       .why = std::move(request.why),
                       .expected_seq = request.expected_seq,
                       .payload = std::move(request.payload),
                       .definition = nullptr};
  Slot& slot = slot_of(saga);
  if (!request.step.empty()) {
    const auto step = co_await on<StepIndex>(
        slot, [saga, name = request.step](Shard& shard) { return shard.find_step(saga, name); });
    if (!step) {
      co_return std::unexpected(step.error());
    }
    input.step = *step;
  }
  if (request.verb == Verb::migrate) {
    const auto target = co_await on<DefinitionPtr>(
        slot, [saga, hash = request.version](Shard& shard) { return shard.migration_target(saga, hash); });
    if (!target) {
      co_return std::unexpected(target.error());
    }
    input.definition = *target;
  }
  const auto done = co_await on<effect::Reply::What>(
      slot,
      [saga, input = std::move(input)](Shard& shard) mutable { return shard.ask(saga, std::move(input)); });
  if (!done) {
    co_return std::unexpected(done.error());
  }
  co_return co_await show(saga, false);
}

net::Task<Asked<std::monostate>> Runner::callback(CallbackRequest request) {
  const auto operation = read_key(commons_.keys, request.key);
  if (!operation || operation->op == Op::status) {
    co_return refuse(Reason::forbidden, "no request of ours has this key");
  }
  if (request.body.size() > kMaxPayload) {
    co_return refuse(Reason::too_large, fmt::format("at most {} bytes", kMaxPayload));
  }
  constexpr std::string_view kOutcomes[] = {"ok", "refused", "retry", "unknown", "null-undo"};
  const auto* const outcome = std::ranges::find(kOutcomes, request.outcome);
  if (!request.outcome.empty() && outcome == std::end(kOutcomes)) {
    co_return refuse(Reason::invalid, "Saga-Outcome is ok, refused, retry, unknown or null-undo");
  }
  input::Callback input{.saga = operation->saga,
                        .step = operation->step,
                        .op = operation->op,
                        .head = {.kind = AnswerHead::Kind::status,
                                 .status = 200,
                                 .outcome = request.outcome.empty() ? std::string_view() : *outcome},
                        .body = std::move(request.body)};
  // Durable or not, it may come again: the service repeats it, or is asked.
  deliver(operation->saga, std::move(input));
  co_return std::monostate();
}

}  // namespace flotilla::saga
