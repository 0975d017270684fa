#include "flotilla/gateway/compose.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/gateway/branch_request.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::gateway {
namespace {

// The branches in flight and what they said; one per request.
struct Branches {
  struct Finished {
    BranchId branch;
    BranchResult result;
  };
  std::vector<Finished> finished;
  std::array<net::Scope::Child, kMaxBranches> running;
  net::Event changed;
  net::Scope scope;  // last: its tasks use the others
};

net::Task<BranchResult> collect(call::LiveAnswer& answer, net::Loop& loop, Duration gap) {
  BranchAnswer whole{.status = answer.head().status, .body = {}};
  auto piece = answer.upstream().arrived_body();
  for (;;) {
    if (!piece) {
      answer.broken(loop.now());
      const bool late = piece.error().kind == http::UpstreamFailure::Kind::timeout;
      co_return BranchFailure{.reason = late ? Reason::timeout : Reason::reset};
    }
    whole.body.append(*piece);
    if (whole.body.size() > kMaxBranchBytes) {
      co_return BranchFailure{.reason = Reason::bad_answer};
    }
    if (answer.upstream().body_done()) {
      answer.finish(loop.now());
      co_return whole;
    }
    answer.upstream().set_deadline(loop.now() + gap);
    piece = co_await answer.upstream().read_body();
  }
}

net::Task<> run_branch(const RequestContext& request, const Branch& branch, BranchCall call,
                       Branches& branches) {
  const BranchId id = call.branch;
  net::Loop& loop = request.exchange.loop();
  call::WorkerService& service = *request.view.services->find(branch.call.service());
  BranchRequest outgoing(request, branch, std::move(call));
  const Instant deadline =
      branch.timeout ? std::min(request.deadline, loop.now() + *branch.timeout) : request.deadline;
  call::Answer answer;
  co_await request.caller.call(*request.view.services, service, outgoing, deadline, answer);
  BranchResult result;
  if (call::LiveAnswer* const live = answer.live()) {
    result = co_await collect(*live, loop, branch.timeout.value_or(service.service->config().timeout));
    if (const auto* whole = std::get_if<BranchAnswer>(&result);
        whole != nullptr && call::Caller::wants_stale(service, outgoing)) {
      request.caller.keep_stale(outgoing.stale_key(),
                                {.status = whole->status, .headers = {}, .body = whole->body});
    }
  } else if (call::FallbackAnswer* const fallback = answer.fallback()) {
    result = BranchAnswer{.status = fallback->response.status, .body = std::move(fallback->response.body)};
  } else {
    const call::Refusal& refusal = *answer.refusal();
    result = BranchFailure{refusal.reason, refusal.effect, http::retry_after_seconds(refusal.retry_after)};
  }
  branches.running[id] = {};
  branches.finished.push_back({id, std::move(result)});
  branches.changed.set();
}

json::Value query_object(std::string_view query) {
  json::Value object = json::Value::object({});
  http::QueryParameters parameters(query);
  while (const auto parameter = parameters.next()) {
    const auto name = http::percent_decode(parameter->name, true);
    const auto value = http::percent_decode(parameter->value, true);
    if (!name || !value) {
      continue;
    }
    const json::Value* const before = object.find(*name);
    if (before == nullptr) {
      object.set(*name, json::Value(*value));
      continue;
    }
    json::Value repeated = before->is_array() ? *before : json::Value::array({*before});
    repeated.push_back(json::Value(*value));
    object.set(*name, std::move(repeated));
  }
  return object;
}

// What expressions see of the request. A body is read only if one of them looks at it.
net::Task<std::expected<ComposeInput, http::BodyFailure>> input_of(const RequestContext& request,
                                                                   const ComposeView& view) {
  http::Exchange& exchange = request.exchange;
  ComposeInput input{.path = json::Value::object({}),
                     .query = query_object(exchange.request().query),
                     .headers = json::Value::object({}),
                     .body = json::Value()};
  for (std::size_t i = 0; i < request.captures.size(); ++i) {
    const auto value = http::percent_decode(request.captures.value(i));
    input.path.set(std::string(request.captures.name(i)), json::Value(value.value_or(std::string())));
  }
  if (view.reads_headers()) {
    for (const http::FieldView& field : exchange.request().fields) {
      input.headers.set(to_lower(field.name), json::Value(std::string(field.value)));
    }
  }
  if (view.reads_body() && !exchange.body_done()) {
    const auto body = co_await exchange.read_whole_body();
    if (!body) {
      co_return std::unexpected(body.error());
    }
    auto value = json::parse(*body);
    if (!value) {
      co_return std::unexpected(http::BodyFailure{http::BodyFailure::Kind::malformed,
                                                  {400, Reason::malformed, "the body is not JSON"}});
    }
    input.body = std::move(*value);
  }
  co_return input;
}

}  // namespace

net::Task<> compose(const RequestContext& request, const ComposeAction& action) {
  auto input = co_await input_of(request, action.view);
  if (!input) {
    request.exchange.answer_failure(input.error());
    co_return;
  }
  ComposeRun run(*action.plan, action.view, std::move(*input));
  Branches branches;
  ComposeStep step = run.start();
  for (;;) {
    for (BranchId id = 0; id < kMaxBranches; ++id) {
      if ((step.cancel & branch_bit(id)) != 0 && branches.running[id]) {
        branches.scope.cancel(std::exchange(branches.running[id], {}));
      }
    }
    if (step.answer) {
      answer_whole(request.exchange, *step.answer);
      co_return;
    }
    for (BranchCall& call : step.start) {
      const BranchId id = call.branch;
      branches.running[id] =
          branches.scope.spawn(run_branch(request, action.plan->branches()[id], std::move(call), branches));
    }
    step = {};
    while (branches.finished.empty()) {
      co_await branches.changed.wait();
    }
    Branches::Finished finished = std::move(branches.finished.back());
    branches.finished.pop_back();
    step = run.on_result(finished.branch, std::move(finished.result));
  }
}

}  // namespace flotilla::gateway
