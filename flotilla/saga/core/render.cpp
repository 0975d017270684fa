#include "flotilla/saga/core/render.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

const json::Value kNull;

call::RequestScope request_scope(const json::Value& scope) {
  return {.input = scope, .path = kNull, .query = kNull, .headers = kNull, .body = kNull};
}

Result<> render_body(const Request& request, const json::Value& scope, RenderedRequest& out) {
  json::Value body;
  if (const auto* expression = std::get_if<call::Expression>(&request.body)) {
    auto value = evaluate(*expression, scope);
    if (!value) {
      return std::unexpected(value.error());
    }
    body = *std::move(value);
  } else if (const auto* literal = std::get_if<json::Value>(&request.body)) {
    body = *literal;
  } else {
    return {};
  }
  json::write_to(out.body, body);
  if (out.body.size() > kMaxPayload) {
    return fail(Errc::limit,
                fmt::format("the body has {} bytes; at most {} are sent", out.body.size(), kMaxPayload));
  }
  const bool typed =
      std::ranges::count(out.headers, "content-type", &std::pair<std::string, std::string>::first) != 0;
  if (!typed) {
    out.headers.emplace_back("content-type", "application/json");
  }
  return {};
}

}  // namespace

json::Value scope_of(const SagaState& state) {
  json::Value steps = json::Value::object();
  for (std::size_t i = 0; i < state.steps.size(); ++i) {
    if (!state.steps[i].output.is_null()) {
      steps.set(state.definition->steps[i].name, state.steps[i].output);
    }
  }
  json::Value saga = json::Value::object({{"id", state.id.text()}, {"name", state.definition->name}});
  if (state.abort.cause != Cause::none) {
    json::Value cause = json::Value::object({{"reason", to_string(state.abort.cause)}});
    if (state.abort.cause == Cause::step) {
      cause.set("step", state.definition->steps[state.abort.step].name);
      cause.set("status", state.abort.status);
    }
    saga.set("cause", std::move(cause));
  }
  return json::Value::object(
      {{"input", state.input}, {"steps", std::move(steps)}, {"saga", std::move(saga)}});
}

Result<json::Value> evaluate(const call::Expression& expression, const json::Value& scope) {
  auto value = expression.evaluate(request_scope(scope));
  if (!value) {
    return fail(value.error().code, fmt::format("{}: {}", expression.text(), value.error().message));
  }
  return value;
}

Result<RequestPtr> render(const Request& request, const json::Value& scope) {
  const call::RequestScope holes = request_scope(scope);
  RenderedRequest out{.method = request.target.method(), .service = request.target.service().value()};
  auto target = request.target.render(holes);
  if (!target) {
    return fail(Errc::invalid, std::move(target.error().message));
  }
  out.target = *std::move(target);
  for (const auto& [name, text] : request.headers) {
    auto value = text.render(holes);
    if (!value) {
      return fail(Errc::invalid, fmt::format("header {}: {}", name, value.error().message));
    }
    out.headers.emplace_back(name, *std::move(value));
  }
  if (auto body = render_body(request, scope, out); !body) {
    return std::unexpected(body.error());
  }
  return std::make_shared<const RenderedRequest>(std::move(out));
}

Result<std::vector<std::string>> lock_keys(const Locks& locks, const json::Value& scope) {
  std::vector<std::string> keys;
  if (locks.when) {
    const auto needed = evaluate(*locks.when, scope);
    if (!needed) {
      return std::unexpected(needed.error());
    }
    if (!needed->is_true()) {
      return keys;
    }
  }
  for (const call::TextTemplate& text : locks.keys) {
    auto key = text.render(request_scope(scope));
    if (!key) {
      return fail(Errc::invalid, std::move(key.error().message));
    }
    keys.push_back(*std::move(key));
  }
  std::ranges::sort(keys);
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  return keys;
}

}  // namespace flotilla::saga
