#include "flotilla/saga/operator_api.hpp"

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/saga/answers.hpp"
#include "flotilla/saga/asked.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/endpoints.hpp"
#include "flotilla/saga/who_why.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> invalid(std::string detail) {
  return std::unexpected(SagaProblem{.reason = Reason::invalid, .detail = std::move(detail)});
}

http::Response no_such_path() {
  return problem_answer(
      Reason::not_found,
      "the management API has no such path; a saga's verbs are cancel, signal/{signal}, suspend, resume, "
      "retry, set-result, forgive, abort, fail and migrate");
}

Asked<WhoWhy> read_person(const json::Value& body) {
  WhoWhy person;
  if (const auto read = read_who_why(body, person); !read) {
    return std::unexpected(read.error());
  }
  if (person.who.empty() || person.why.empty()) {
    return invalid(fmt::format("\"{}\" is missing: a saga keeps who did what to it, and why",
                               person.who.empty() ? "who" : "why"));
  }
  return person;
}

Asked<std::string> read_name(const json::Value& body, std::string_view member) {
  const json::Value* const value = body.find(member);
  if (value == nullptr) {
    return std::string();
  }
  if (!value->is_string() || value->as_string().empty() || value->as_string().size() > kMaxNameBytes) {
    return invalid(fmt::format("{}: expected a text of 1 to {} bytes", member, kMaxNameBytes));
  }
  return std::string(value->as_string());
}

Asked<std::monostate> check_members(const json::Value& body, Verb verb) {
  switch (verb) {
    case Verb::set_result:
      return refuse_other_members(body, {"who", "why", "step", "expected_seq", "result"});
    case Verb::migrate:
      return refuse_other_members(body, {"who", "why", "expected_seq", "version"});
    case Verb::retry:
    case Verb::forgive:
      return refuse_other_members(body, {"who", "why", "step", "expected_seq"});
    case Verb::suspend:
    case Verb::resume:
    case Verb::abort:
    case Verb::fail:
      break;
  }
  return refuse_other_members(body, {"who", "why", "expected_seq"});
}

Asked<OperateRequest> read_operate(SagaId saga, Verb verb, std::string_view text) {
  const auto body = read_payload(text);
  if (!body) {
    return std::unexpected(body.error());
  }
  const auto person = read_person(*body);
  if (!person) {
    return std::unexpected(person.error());
  }
  if (const auto checked = check_members(*body, verb); !checked) {
    return std::unexpected(checked.error());
  }
  auto step = read_name(*body, "step");
  if (!step) {
    return std::unexpected(step.error());
  }
  auto version = read_name(*body, "version");
  if (!version) {
    return std::unexpected(version.error());
  }
  OperateRequest request{.saga = saga,
                         .verb = verb,
                         .step = std::move(*step),
                         .who = person->who,
                         .why = person->why,
                         .expected_seq = std::nullopt,
                         .payload = (*body)["result"],
                         .has_payload = body->find("result") != nullptr,
                         .version = std::move(*version)};
  if (const json::Value* const seq = body->find("expected_seq")) {
    const auto number = seq->as_int();
    if (!number || *number < 1) {
      return invalid("expected_seq: expected the \"seq\" of the saga that was looked at");
    }
    request.expected_seq = static_cast<std::uint64_t>(*number);
  }
  return request;
}

}  // namespace

net::Task<http::Response> OperatorApi::handle(http::Request request, net::SocketAddress peer) {
  auto target = read_target(request.target, kPrefix);
  if (!target) {
    co_return problem_answer(target.error());
  }
  if (!*target) {
    co_return no_such_path();
  }
  auto& [segments, query] = **target;
  if (segments.size() <= 1) {
    if (request.method != "GET" && request.method != "HEAD") {
      co_return method_answer("GET, HEAD");
    }
    if (segments.empty()) {
      co_return co_await list_sagas(sagas_, std::move(query));
    }
    if (segments[0] == "count") {
      co_return co_await count_sagas(sagas_, std::move(query));
    }
    co_return co_await show_saga(sagas_, std::move(segments[0]), std::move(query));
  }
  const bool signal_of = segments.size() == 3 && segments[1] == "signal";
  const bool cancel_of = segments.size() == 2 && segments[1] == "cancel";
  const auto verb = segments.size() == 2 ? parse_verb(segments[1]) : std::nullopt;
  if (!signal_of && !cancel_of && !verb) {
    co_return no_such_path();
  }
  if (request.method != "POST") {
    co_return method_answer("POST");
  }
  if (signal_of) {
    co_return co_await signal(std::move(segments[0]), std::move(segments[2]), std::move(request), peer);
  }
  if (cancel_of) {
    co_return co_await cancel(std::move(segments[0]), std::move(request), peer);
  }
  co_return co_await operate(std::move(segments[0]), *verb, std::move(request), peer);
}

net::Task<http::Response> OperatorApi::signal(std::string id, std::string name, http::Request request,
                                              net::SocketAddress peer) {
  auto answer = co_await signal_saga(sagas_, id, name, std::move(request));
  if (answer.status < 300) {  // only now: a saga that took it cannot forge lines of the log
    log::info("admin: saga {}: signal {}, from {}", id, name, peer.to_string());
  }
  co_return answer;
}

net::Task<http::Response> OperatorApi::cancel(std::string id, http::Request request,
                                              net::SocketAddress peer) {
  const auto saga = read_id(id);
  if (!saga) {
    co_return problem_answer(saga.error());
  }
  const auto body = read_payload(request.body);
  if (!body) {
    co_return problem_answer(body.error());
  }
  const auto person = read_person(*body);
  if (!person) {
    co_return problem_answer(person.error());
  }
  if (const auto checked = refuse_other_members(*body, {"who", "why"}); !checked) {
    co_return problem_answer(checked.error());
  }
  auto answer = co_await cancel_saga(sagas_, {.saga = *saga, .who = person->who, .why = person->why});
  log::info("admin: saga {}: cancel: {}, by {} from {} ({})", saga->text(), answer.status, person->who,
            peer.to_string(), person->why);
  co_return answer;
}

net::Task<http::Response> OperatorApi::operate(std::string id, Verb verb, http::Request request,
                                               net::SocketAddress peer) {
  const auto saga = read_id(id);
  if (!saga) {
    co_return problem_answer(saga.error());
  }
  auto asked = read_operate(*saga, verb, request.body);
  if (!asked) {
    co_return problem_answer(asked.error());
  }
  const WhoWhy person{.who = asked->who, .why = asked->why};
  const auto view = co_await sagas_.operate(std::move(*asked));
  log::info("admin: saga {}: {}: {}, by {} from {} ({})", saga->text(), to_string(verb),
            view ? std::string_view("done") : std::string_view(view.error().detail), person.who,
            peer.to_string(), person.why);
  co_return view ? json_answer(view->body) : problem_answer(view.error());
}

}  // namespace flotilla::saga
