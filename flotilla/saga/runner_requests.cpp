// The runner's side of service.hpp: checks what needs no saga, finds the shard, and waits for its answer, or
// asks the process that has the shard.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/http/client.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/answers.hpp"
#include "flotilla/saga/forward.hpp"
#include "flotilla/saga/runner.hpp"

namespace flotilla::saga {
namespace {

// How long a shard is on its way from one process to another, about.
constexpr Duration kMovingTime = std::chrono::seconds(1);
// What asking the owner may take, beside what it waits for the saga's end.
constexpr Duration kForwardPatience = std::chrono::seconds(10);

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
      done_(std::unexpected(
          SagaProblem{.reason = Reason::draining,
                      .detail = "this process is about to stop, or has the saga no longer: ask again",
                      .retry_after = kMovingTime}));
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

// No shard that could take it is here.
std::unexpected<SagaProblem> moved() {
  return std::unexpected(
      SagaProblem{.reason = Reason::store_unavailable,
                  .detail = "no shard of the journal that could take it is here: ask again",
                  .retry_after = kMovingTime});
}

template <class T>
Asked<T> read_asked(const Asked<json::Value>& answer) {
  return answer ? read_answer<T>(*answer) : Asked<T>(std::unexpected(answer.error()));
}

// Whether it, or a saga nested in it, has locks: their table is where shard 0 is.
bool needs_locks(const Definition& definition, const DefinitionShelf& shelf) {
  if (!definition.locks.keys.empty()) {
    return true;
  }
  return std::ranges::any_of(definition.steps, [&](const Step& step) {
    const auto* const nested = std::get_if<NestedSaga>(&step.action);
    const DefinitionPtr child = nested == nullptr ? nullptr : shelf.find(nested->hash.value());
    return child != nullptr && needs_locks(*child, shelf);
  });
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
  slot.host.loop->post([&slot, make = std::move(make), waiting = Answering<T>(reply.send())]() mutable {
    if (slot.shard != nullptr) {
      slot.shard->spawn(answer<T>(make(*slot.shard), std::move(waiting)));
    }
  });
  co_return co_await reply;
}

template <class T, class Make>
net::Task<Asked<T>> Runner::read_on(Slot& slot, Make make) {
  journal::Reply<Asked<T>> reply;
  slot.host.loop->post([&slot, make = std::move(make), waiting = Answering<T>(reply.send())]() mutable {
    // What may use the shard ends with it.
    if (slot.shard != nullptr) {
      slot.shard->spawn(answer<T>(make(slot), std::move(waiting)));
    } else if (slot.tasks != nullptr) {
      slot.tasks->spawn(answer<T>(make(slot), std::move(waiting)));
    }
  });
  co_return co_await reply;
}

bool Runner::must_forward(SagaId saga, Hop hop) {
  return hop == Hop::may_forward && is_shared() && !slot_of(saga).serving.load(std::memory_order_acquire);
}

Runner::Slot* Runner::slot_for(const Definition& definition) {
  if (!is_shared()) {
    return &slot_here();
  }
  if (needs_locks(definition, commons_.shelf)) {
    return slots_[0]->serving.load(std::memory_order_acquire) ? slots_[0].get() : nullptr;
  }
  return any_slot();
}

net::Task<Asked<json::Value>> Runner::forward(std::optional<std::uint32_t> shard, json::Value asked,
                                              Duration wait) {
  const journal::Ownership& owners = commons_.store.journal().ownership();
  Result<std::string> owner = owners.owner_address(shard.value_or(0));
  for (std::uint32_t any = 1; !shard && any < commons_.shards && (!owner || *owner == own_address_); ++any) {
    owner = owners.owner_address(any);
  }
  const auto moving = [](std::string detail) {
    return std::unexpected(SagaProblem{
        .reason = Reason::store_unavailable, .detail = std::move(detail), .retry_after = kMovingTime});
  };
  if (!owner || *owner == own_address_) {
    co_return moving(owner ? "the saga's shard is on its way to this process: ask again"
                           : owner.error().message);
  }
  const auto address = net::SocketAddress::parse(std::string_view(*owner).substr(
      std::min(owner->size(), owner->starts_with("http://") ? std::size_t{7} : std::size_t{0})));
  if (!address) {
    co_return moving(address.error().message);
  }
  http::Request request{.method = "POST", .target = std::string(kForwardPath), .headers = {}, .body = {}};
  request.body = json::write(asked);
  request.headers.add("Content-Type", "application/json");
  request.headers.add(std::string(kSealHeader), seal(commons_.keys, request.body));
  net::Loop& loop = *net::Loop::current();
  const auto response = co_await http::fetch(
      loop, *address, address->to_string(), std::move(request),
      {.deadline = saturating_add(loop.now(), kForwardPatience + std::min(wait, kMaxWait))});
  if (!response) {
    co_return moving(fmt::format("the owner of the saga's shard, {}, does not answer: {}", *owner,
                                 response.error().message));
  }
  auto answer = json::parse(response->body);
  if (response->status != 200 || !answer) {
    co_return moving(fmt::format("the owner of the saga's shard, {}, answered {}", *owner, response->status));
  }
  co_return *std::move(answer);
}

net::Task<http::Response> Runner::answer_forwarded(http::Request request) {
  if (request.method != "POST" ||
      request.headers.get(kSealHeader).value_or("") != seal(commons_.keys, request.body)) {
    co_return problem_answer(Reason::forbidden, "only processes that share a journal ask here");
  }
  auto asked = json::parse(request.body);
  if (!asked) {
    co_return problem_answer(Reason::malformed, asked.error().message);
  }
  co_return json_answer(co_await answer_one(*std::move(asked)));
}

net::Task<json::Value> Runner::answer_one(json::Value asked) {
  auto read = read_forwarded(asked);
  if (!read) {
    co_return write_answer(
        SagaProblem{.reason = Reason::unsupported, .detail = "another version of this program asks"});
  }
  if (auto* in = std::get_if<StartRequest>(&*read)) {
    co_return write_answer(co_await start(std::move(*in), Hop::here_only));
  }
  if (auto* in = std::get_if<CancelRequest>(&*read)) {
    co_return write_answer(co_await cancel(std::move(*in), Hop::here_only));
  }
  if (auto* in = std::get_if<SignalRequest>(&*read)) {
    co_return write_answer(co_await signal(std::move(*in), Hop::here_only));
  }
  if (auto* in = std::get_if<OperateRequest>(&*read)) {
    co_return write_answer(co_await operate(std::move(*in), Hop::here_only));
  }
  co_return write_answer(co_await callback(std::get<CallbackRequest>(std::move(*read)), Hop::here_only));
}

net::Task<Asked<StartResult>> Runner::start(StartRequest request) {
  return start(std::move(request), Hop::may_forward);
}

net::Task<Asked<StartResult>> Runner::start(StartRequest request, Hop hop) {
  DefinitionPtr definition = commons_.shelf.current(request.name);
  if (definition == nullptr) {
    co_return refuse(Reason::not_found, fmt::format("no saga is named '{}'", request.name));
  }
  if (request.key.empty() && definition->require_key) {
    co_return refuse(Reason::malformed,
                     fmt::format("the saga '{}' takes no start without a key: send an Idempotency-Key, the "
                                 "same when you repeat the request",
                                 request.name));
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
  Slot* const slot = slot_for(*definition);
  if (slot == nullptr && hop == Hop::may_forward && is_shared()) {
    const std::optional<std::uint32_t> shard =
        needs_locks(*definition, commons_.shelf) ? std::optional(0U) : std::nullopt;
    co_return read_asked<StartResult>(co_await forward(shard, write_forwarded(request), request.wait));
  }
  if (slot == nullptr) {
    co_return moved();
  }
  input::Submit submit{.definition = std::move(definition),
                       // Kept where another process may have to be asked.
                       .input = is_shared() ? json::Value(request.input) : std::move(request.input),
                       .key = request.key.empty() ? "" : scoped_key(request.principal, request.key),
                       .parent = {},
                       .trace = request.trace,
                       .correlation = request.correlation};
  const auto started = co_await on<Shard::Started>(
      *slot, [submit = std::move(submit)](Shard& shard) mutable { return shard.start(std::move(submit)); });
  if (!started) {
    co_return std::unexpected(started.error());
  }
  if (started->existing && request.wait > Duration::zero() && must_forward(started->saga, hop)) {
    co_return read_asked<StartResult>(
        co_await forward(shard_of(started->saga, commons_.shards), write_forwarded(request), request.wait));
  }
  auto view = co_await end_of(started->saga, request.wait);
  if (!view) {
    co_return std::unexpected(view.error());
  }
  co_return StartResult{.saga = *std::move(view), .existing = started->existing};
}

net::Task<Asked<SagaView>> Runner::end_of(SagaId saga, Duration wait) {
  return read_on<SagaView>(slot_of(saga), [this, saga, wait](Slot& at) {
    return at.shard != nullptr ? at.shard->end_of(saga, wait) : show_stored(saga, false);
  });
}

net::Task<Asked<SagaView>> Runner::show(SagaId saga, bool timeline) {
  return read_on<SagaView>(slot_of(saga), [this, saga, timeline](Slot& slot) {
    return slot.shard != nullptr ? slot.shard->show(saga, timeline) : show_stored(saga, timeline);
  });
}

// Of a shard that is elsewhere.
net::Task<Asked<SagaView>> Runner::show_stored(SagaId saga, bool timeline) {
  auto seen = co_await read_saga(commons_.store, commons_.shelf, saga, timeline);
  if (!seen) {
    co_return std::unexpected(std::move(seen).error());
  }
  co_return view_of(*std::move(seen), timeline);
}

net::Task<Asked<SagaPage>> Runner::list(ListRequest request) {
  return read_on<SagaPage>(slot_here(), [this, request = std::move(request)](Slot&) mutable {
    return page_of_sagas(commons_.store.journal(), std::move(request));
  });
}

net::Task<Asked<json::Value>> Runner::count(CountRequest request) {
  return read_on<json::Value>(slot_here(), [this, request = std::move(request)](Slot&) mutable {
    return counts_of_sagas(commons_.store.journal(), std::move(request));
  });
}

net::Task<Asked<CancelResult>> Runner::cancel(CancelRequest request) {
  return cancel(std::move(request), Hop::may_forward);
}

net::Task<Asked<CancelResult>> Runner::cancel(CancelRequest request, Hop hop) {
  const SagaId saga = request.saga;
  if (must_forward(saga, hop)) {
    co_return read_asked<CancelResult>(
        co_await forward(shard_of(saga, commons_.shards), write_forwarded(request), Duration::zero()));
  }
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
  return signal(std::move(request), Hop::may_forward);
}

net::Task<Asked<SignalResult>> Runner::signal(SignalRequest request, Hop hop) {
  const SagaId saga = request.saga;
  if (request.name.empty() || request.name.size() > kMaxNameBytes || request.id.size() > kMaxKeyBytes ||
      !is_printable(request.name) || !is_printable(request.id)) {
    co_return refuse(Reason::invalid,
                     fmt::format("a signal needs a name of at most {} printable ASCII characters, and its id "
                                 "has at most {}",
                                 kMaxNameBytes, kMaxKeyBytes));
  }
  const std::uint32_t index = shard_of(saga, commons_.shards);
  if (must_forward(saga, hop)) {
    co_return read_asked<SignalResult>(co_await forward(index, write_forwarded(request), Duration::zero()));
  }
  if (request.id.empty()) {
    // Ids of callers never begin so by accident, and the epoch keeps those of this process apart.
    request.id =
        fmt::format("unnamed-{}-{}", commons_.store.journal().epoch(place_of(index).shard), ++next_signal_);
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
  return operate(std::move(request), Hop::may_forward);
}

net::Task<Asked<SagaView>> Runner::operate(OperateRequest request, Hop hop) {
  const SagaId saga = request.saga;
  if (must_forward(saga, hop)) {
    co_return read_asked<SagaView>(
        co_await forward(shard_of(saga, commons_.shards), write_forwarded(request), Duration::zero()));
  }
  input::Operate input{.saga = saga,
                       .verb = request.verb,
                       .step = {},
                       .who = std::move(request.who),
                       .why = std::move(request.why),
                       .expected_seq = request.expected_seq,
                       .payload = std::move(request.payload),
                       .has_payload = request.has_payload,
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
  return callback(std::move(request), Hop::may_forward);
}

net::Task<Asked<std::monostate>> Runner::callback(CallbackRequest request, Hop hop) {
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
  if (must_forward(operation->saga, hop)) {
    co_return read_asked<std::monostate>(co_await forward(shard_of(operation->saga, commons_.shards),
                                                          write_forwarded(request), Duration::zero()));
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
