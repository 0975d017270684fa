#include "flotilla/cqrs/core/expression_aggregate.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

Result<expr::Program> compile(const std::string& text, std::span<const std::string_view> variables) {
  auto program = expr::compile(text, variables);
  if (!program) {
    return std::unexpected(program.error().to_error());
  }
  return std::move(*program);
}

State make_state(json::Value value) { return std::make_shared<const json::Value>(std::move(value)); }

const json::Value& value_of(const State& state) { return *static_cast<const json::Value*>(state.get()); }

// The words before the text name the language: another one would fold the same text otherwise.
std::uint64_t fold_of(const std::string& words) {
  const Sha256 hash = sha256(words);
  std::uint64_t fold = 0;
  for (std::size_t i = 0; i < sizeof fold; ++i) {
    fold = fold << 8 | hash[i];
  }
  return fold & journal::kMaxNumber;
}

std::unexpected<std::string> odd(std::string_view what) {
  return std::unexpected(
      fmt::format("decide: {}; it must give [{{type, data}}, ...], or {{error: {{code, message}}}}", what));
}

std::expected<Verdict, std::string> read_refusal(const json::Value& error) {
  const json::Value& code = error["code"];
  const json::Value& message = error["message"];
  if (!code.is_string() || code.as_string().empty() || code.as_string().size() > kMaxCode ||
      (!message.is_string() && !message.is_null())) {
    return odd(fmt::format(
        "its error has no code that is a text of at most {} bytes, or a message that is none", kMaxCode));
  }
  return Refused{.code = std::string(code.as_string()),
                 .message = message.is_string() ? std::string(message.as_string()) : std::string()};
}

}  // namespace

Result<expr::Program> compile_evolve(const std::string& text) {
  static constexpr std::array<std::string_view, 2> kVariables{"event", "data"};
  return compile(text, kVariables);
}

Result<expr::Program> compile_upcast(const std::string& text) {
  static constexpr std::array<std::string_view, 1> kVariables{"event"};
  return compile(text, kVariables);
}

Result<expr::Program> compile_decide(const std::string& text) {
  static constexpr std::array<std::string_view, 1> kVariables{"command"};
  return compile(text, kVariables);
}

Result<expr::Program> compile_command_id(const std::string& text) { return compile(text, {}); }

Aggregate expression_aggregate(std::string name, const std::string& evolve, const expr::Program& program) {
  Aggregate aggregate;
  aggregate.name = std::move(name);
  aggregate.fold = fold_of("evolve 1\n" + evolve);
  aggregate.initial = make_state({});
  aggregate.evolve = [program](const State& state,
                               const EventValues& event) -> std::expected<State, std::string> {
    const std::array<json::Value, 2> variables{event.event, event.data};
    auto next = expr::evaluate_first(program, value_of(state), variables);
    if (!next) {
      return std::unexpected("evolve: " + next.error().message());
    }
    return make_state(std::move(*next));
  };
  aggregate.save = [](const State& state) -> std::optional<std::string> {
    return json::write(value_of(state));
  };
  aggregate.load = [](std::string_view text) -> State {
    auto value = json::parse(text);
    return value ? make_state(std::move(*value)) : nullptr;
  };
  return aggregate;
}

Upcast expression_upcast(const expr::Program& program) {
  return [program](const EventValues& event) -> std::expected<json::Value, std::string> {
    const std::array<json::Value, 1> variables{event.event};
    auto next = expr::evaluate_first(program, event.data, variables);
    if (!next) {
      return std::unexpected(next.error().message());
    }
    return std::move(*next);
  };
}

// The order of types does not matter, that of forms does: the fold has both.
void add_upcast(Aggregate& aggregate, const std::string& type, const std::string& text,
                const expr::Program& program) {
  std::vector<Upcast>& forms = aggregate.upcasts[type];
  aggregate.fold ^= fold_of(fmt::format("upcast 1\n{}\n{}\n{}", type, forms.size(), text));
  forms.push_back(expression_upcast(program));
}

Command expression_command(std::string name, const expr::Program& id, const expr::Program& decide) {
  Command command;
  command.name = std::move(name);
  command.id = [id](const json::Value& given) -> std::expected<std::string, std::string> {
    const auto value = expr::evaluate_first(id, given);
    if (!value) {
      return std::unexpected("id: " + value.error().message());
    }
    return aggregate_id(*value);
  };
  command.decide = [decide](const State& state,
                            const json::Value& given) -> std::expected<Verdict, std::string> {
    const std::array<json::Value, 1> variables{given};
    const auto decided = expr::evaluate_first(decide, value_of(state), variables);
    if (!decided) {
      return std::unexpected("decide: " + decided.error().message());
    }
    return read_verdict(*decided);
  };
  return command;
}

std::expected<Verdict, std::string> read_verdict(const json::Value& given) {
  if (const json::Value* const error = given.find("error"); error != nullptr && given.size() == 1) {
    return read_refusal(*error);
  }
  if (!given.is_array()) {
    return odd(fmt::format("it gives {}", to_string(given.kind())));
  }
  std::vector<NewEvent> events;
  events.reserve(given.size());
  for (const json::Value& item : given.items()) {
    const json::Value& type = item["type"];
    const bool known = std::ranges::all_of(item.members(), [](const json::Member& member) {
      return member.key() == "type" || member.key() == "data";
    });
    if (!type.is_string() || !known) {
      return odd(fmt::format("event {} is not {{type, data}}", events.size()));
    }
    events.push_back({.type = std::string(type.as_string()), .data = item["data"]});
  }
  return events;
}

}  // namespace flotilla::cqrs
