#include "flotilla/gateway/core/compose_run.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/http/core/problem.hpp"
#include "flotilla/json/check.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::gateway {
namespace {

bool is_success(std::uint16_t status) noexcept { return status >= 200 && status < 300; }

// What a status other than 2xx means to the one who asked for the whole.
Reason reason_of(std::uint16_t status) noexcept {
  switch (status) {
    case 401:
      return Reason::unauthenticated;
    case 403:
      return Reason::forbidden;
    case 404:
      return Reason::not_found;
    case 429:
      return Reason::rate_limited;
    default:
      return Reason::bad_answer;
  }
}

http::Response problem(const http::Problem& problem) {
  http::Response response;
  response.status = problem.status != 0 ? problem.status : default_status(problem.reason);
  response.headers.add("Content-Type", "application/problem+json");
  response.headers.add("Flotilla-Error", std::string(to_string(problem.reason)));
  response.headers.add("Cache-Control", "no-store");
  if (problem.retry_after) {
    response.headers.add("Retry-After", std::to_string(*problem.retry_after));
  }
  response.body = http::problem_body(problem);
  return response;
}

}  // namespace

ComposeRun::ComposeRun(const ComposePlan& plan, const ComposeView& view, ComposeInput input)
    : plan_(plan), view_(view), input_(std::move(input)) {
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    if ((view_.called() & branch_bit(id)) != 0) {
      progress_[id].state = State::waiting;
    }
  }
}

ComposeStep ComposeRun::start() { return advance(); }

ComposeStep ComposeRun::on_result(BranchId branch, BranchResult result) {
  if (finished_) {
    return {};
  }
  FLOTILLA_ASSERT(branch < plan_.branches().size() && progress_[branch].state == State::running);
  settle(branch, std::move(result));
  return advance();
}

ComposeStep ComposeRun::on_deadline() {
  if (finished_) {
    return {};
  }
  BranchSet running = 0;
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    Progress& progress = progress_[id];
    if (progress.state == State::waiting || progress.state == State::running) {
      running |= progress.state == State::running ? branch_bit(id) : 0;
      progress.failure = {.reason = Reason::timeout,
                          .predecessor = {},
                          .effect = progress.state == State::running ? Effect::unknown : Effect::none,
                          .retry_after = {},
                          .detail = "no answer before the deadline of the request"};
      progress.state = State::failed;
    }
  }
  ComposeStep step;
  finish(step);
  step.cancel = running;
  return step;
}

void ComposeRun::settle(BranchId id, BranchResult result) {
  if (auto* answer = std::get_if<BranchAnswer>(&result)) {
    settle_answer(id, std::move(*answer));
    return;
  }
  const BranchFailure& failure = std::get<BranchFailure>(result);
  progress_[id].state = State::failed;
  progress_[id].failure = {.reason = failure.reason,
                           .predecessor = {},
                           .effect = failure.effect,
                           .retry_after = failure.retry_after,
                           .detail = std::string(title(failure.reason))};
}

void ComposeRun::settle_answer(BranchId id, BranchAnswer answer) {
  Progress& progress = progress_[id];
  const auto wrong = [&](Reason reason, std::string detail) {
    progress.state = State::failed;
    progress.failure = {.reason = reason,
                        .status = answer.status,
                        .predecessor = {},
                        .effect = Effect::done,
                        .retry_after = answer.retry_after,
                        .detail = std::move(detail)};
  };
  if (!is_success(answer.status)) {
    wrong(reason_of(answer.status), fmt::format("the service answered {}", answer.status));
    progress.failure.effect = Effect::unknown;  // an error says nothing about what was done before it
    return;
  }
  if (answer.body.empty() && answer.status == 204) {
    answer.body = "null";
  }
  if (answer.body.size() > kMaxBranchBytes || total_bytes_ + answer.body.size() > kMaxComposedBytes) {
    wrong(Reason::bad_answer, fmt::format("a body of {} bytes is more than is composed", answer.body.size()));
    return;
  }
  if (const auto fault = json::find_fault(answer.body)) {
    wrong(Reason::bad_answer, fmt::format("the body is not JSON: byte {}: {}", fault->offset, fault->what));
    return;
  }
  total_bytes_ += answer.body.size();
  progress.body = std::move(answer.body);
  progress.state = State::answered;
}

ComposeStep ComposeRun::advance() {
  ComposeStep step;
  // A skipped branch may let others be skipped, so this repeats until nothing moves: at most once per branch.
  for (bool moved = true; moved && !finished_;) {
    moved = false;
    for (BranchId id = 0; id < plan_.branches().size() && !finished_; ++id) {
      if (progress_[id].state == State::failed && !plan_.branches()[id].optional) {
        finish(step);
      } else if (progress_[id].state == State::waiting) {
        moved = start_or_skip(id, step) || moved;
      }
    }
  }
  const bool open = std::ranges::any_of(progress_, [](const Progress& progress) {
    return progress.state == State::waiting || progress.state == State::running;
  });
  if (!finished_ && !open) {
    finish(step);
  }
  return step;
}

// Whether the branch left the state `waiting`.
bool ComposeRun::start_or_skip(BranchId id, ComposeStep& step) {
  Progress& progress = progress_[id];
  for (BranchId other = 0; other < plan_.branches().size(); ++other) {
    if ((plan_.branches()[id].after & branch_bit(other)) == 0) {
      continue;
    }
    if (progress_[other].state == State::failed) {
      progress.state = State::failed;
      progress.failure = progress_[other].failure;
      progress.failure.predecessor = other;
      return true;
    }
    if (progress_[other].state != State::answered) {
      return false;
    }
  }
  auto call = render(id);
  if (call) {
    progress.state = State::running;
    step.start.push_back(*std::move(call));
    return true;
  }
  progress.state = State::failed;
  progress.failure = {.reason = call.error().cause == call::RenderFault::Cause::request ? Reason::invalid
                                                                                        : Reason::bad_answer,
                      .predecessor = {},
                      .effect = Effect::none,
                      .retry_after = {},
                      .detail = call.error().message};
  return true;
}

std::expected<BranchCall, call::RenderFault> ComposeRun::render(BranchId id) const {
  const Branch& branch = plan_.branches()[id];
  const json::Value seen = bodies(branch.ancestors);
  const call::RequestScope scope{.input = seen,
                                 .path = input_.path,
                                 .query = input_.query,
                                 .headers = input_.headers,
                                 .body = input_.body};
  BranchCall call{.branch = id, .target = {}, .headers = {}, .body = {}};
  auto target = branch.call.render(scope);
  if (!target) {
    return std::unexpected(target.error());
  }
  call.target = *std::move(target);
  for (const auto& [name, value] : branch.headers) {
    auto text = value.render(scope);
    if (!text) {
      return std::unexpected(
          call::RenderFault{text.error().cause, fmt::format("header {}: {}", name, text.error().message)});
    }
    call.headers.add(name, *std::move(text));
  }
  if (branch.body) {
    auto body = branch.body->evaluate(scope);
    if (!body) {
      return std::unexpected(call::RenderFault{
          call::RenderFault::Cause::answer, fmt::format("body: {}; nothing was sent", body.error().message)});
    }
    call.body = json::write(*body);
    if (!call.headers.contains("Content-Type")) {
      call.headers.add("Content-Type", "application/json");
    }
  }
  return call;
}

std::string_view ComposeRun::body_of(BranchId id) const {
  return progress_[id].state == State::answered ? std::string_view(progress_[id].body)
                                                : std::string_view(plan_.branches()[id].default_json);
}

json::Value ComposeRun::bodies(BranchSet of) const {
  json::Value object = json::Value::object();
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    if ((of & branch_bit(id)) != 0) {
      auto value = json::parse(body_of(id), {.size = kMaxBranchBytes});
      FLOTILLA_ASSERT(value.has_value());  // checked by find_fault, which accepts what the reader accepts
      object.set(plan_.branches()[id].name, *std::move(value));
    }
  }
  return object;
}

void ComposeRun::finish(ComposeStep& step) {
  finished_ = true;
  for (const BranchCall& call : step.start) {
    progress_[call.branch].state = State::unused;  // decided in this very step: it never began
  }
  step.start.clear();
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    if (progress_[id].state == State::running) {
      step.cancel |= branch_bit(id);
    }
  }
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    if (progress_[id].state == State::failed && !plan_.branches()[id].optional) {
      step.answer = failed(id);
      return;
    }
  }
  step.answer = composed();
}

http::Response ComposeRun::failed(BranchId id) const {
  const Failure& failure = progress_[id].failure;
  const std::string detail = fmt::format("The required branch '{}' of '{}' failed: {}.",
                                         plan_.branches()[id].name, plan_.name(), failure.detail);
  return problem({.reason = failure.reason,
                  .detail = detail,
                  .service = plan_.branches()[id].call.service().value(),
                  .effect = failure.effect,
                  .retry_after = failure.retry_after});
}

http::Response ComposeRun::composed() const {
  http::Response response;
  if (const auto& shape = view_.shape()) {
    const json::Value all = bodies(view_.shown());
    const call::RequestScope scope{.input = all,
                                   .path = input_.path,
                                   .query = input_.query,
                                   .headers = input_.headers,
                                   .body = input_.body};
    const auto shaped = shape->evaluate(scope);
    if (!shaped) {
      return problem({.reason = Reason::bad_answer,
                      .detail = fmt::format("The shape of '{}' cannot be made of these answers: {}.",
                                            plan_.name(), shaped.error().message),
                      .service = {},
                      .effect = {},
                      .retry_after = {}});
    }
    response.body = json::write(*shaped);
  } else {
    response.body = spliced();
  }
  response.headers.add("Content-Type", "application/json");
  const std::string absent = missing();
  response.headers.add("X-Aggregate-Completed", absent.empty() ? "true" : "false");
  if (!absent.empty()) {
    response.headers.add("Flotilla-Missing", absent);
    response.headers.add("Cache-Control", "no-store");
  }
  return response;
}

std::string ComposeRun::spliced() const {
  std::string body = "{";
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    if ((view_.shown() & branch_bit(id)) == 0) {
      continue;
    }
    body += body.size() == 1 ? "" : ",";
    json::append_quoted(body, plan_.branches()[id].name);
    body += ':';
    body += body_of(id);
  }
  return body + "}";
}

// "orders;reason=bad-answer;status=500, recommendations;reason=timeout;after=user"
std::string ComposeRun::missing() const {
  std::string text;
  for (BranchId id = 0; id < plan_.branches().size(); ++id) {
    const Progress& progress = progress_[id];
    if ((view_.shown() & branch_bit(id)) == 0 || progress.state != State::failed) {
      continue;
    }
    text += text.empty() ? "" : ", ";
    text += fmt::format("{};reason={}", plan_.branches()[id].name, to_string(progress.failure.reason));
    if (progress.failure.status != 0) {
      text += fmt::format(";status={}", progress.failure.status);
    }
    if (progress.failure.predecessor) {
      text += fmt::format(";after={}", plan_.branches()[*progress.failure.predecessor].name);
    }
  }
  return text;
}

}  // namespace flotilla::gateway
