#include "flotilla/saga/core/simulation/stubs.hpp"

#include <algorithm>
#include <array>

#include "flotilla/expr/core/reads.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga::simulation {
namespace {

using json::Value;

constexpr std::uint32_t kMaxSchemaDepth = 16;

Value number(Random& random) {
  return static_cast<std::int64_t>(random.below(4) == 0 ? random.below(10'000) : random.below(6));
}

// A value that such a schema accepts, as far as the common keywords go: what is drawn is not validated here.
Value of_schema(const Value& schema, Random& random, std::uint32_t depth) {
  if (!schema.is_object() || depth > kMaxSchemaDepth) {
    return number(random);
  }
  if (schema["const"].kind() != json::Kind::null) {
    return schema["const"];
  }
  for (const std::string_view key : {"enum", "examples"}) {
    if (schema[key].is_array() && !schema[key].empty()) {
      return schema[key][random.below(schema[key].size())];
    }
  }
  std::string type(schema["type"].is_array() && !schema["type"].empty() ? schema["type"][0].as_string()
                   : schema["type"].is_string()                         ? schema["type"].as_string()
                                                                        : "");
  if (type.empty()) {
    type = schema["properties"].is_object() ? "object" : schema["items"].is_object() ? "array" : "integer";
  }
  if (type == "object") {
    Value object = Value::object();
    for (const json::Member& each : schema["properties"].members()) {
      object.set(each.key(), of_schema(each.value, random, depth + 1));
    }
    return object;
  }
  if (type == "array") {
    Value array = Value::array();
    const auto least = static_cast<std::uint64_t>(schema["minItems"].as_int().value_or(1));
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(least + random.below(2), 64); ++i) {
      array.push_back(of_schema(schema["items"], random, depth + 1));
    }
    return array;
  }
  if (type == "boolean") {
    return random.below(2) == 0;
  }
  if (type == "null") {
    return {};
  }
  if (type == "string") {
    std::string text = "s-" + std::to_string(random.below(6));
    const auto most = static_cast<std::size_t>(schema["maxLength"].as_int().value_or(1024));
    const auto least = static_cast<std::size_t>(schema["minLength"].as_int().value_or(0));
    text.resize(std::clamp(text.size(), std::min({least, most, std::size_t{1024}}), most), 'x');
    return text;
  }
  const auto above = schema["exclusiveMinimum"].as_int();
  const std::int64_t least = schema["minimum"].as_int().value_or(above ? *above + 1 : 0);
  const std::int64_t most = schema["maximum"].as_int().value_or(least + 9'999);
  const auto drawn = static_cast<std::int64_t>(random.below(4) == 0 ? random.below(10'000) : random.below(6));
  return std::min(least + drawn, most);
}

Value with_numbers(const Value& given, const std::string& n, std::uint32_t depth) {
  if (given.is_string()) {
    std::string text(given.as_string());
    for (std::size_t at = 0; (at = text.find("{n}", at)) != std::string::npos; at += n.size()) {
      text.replace(at, 3, n);
    }
    return text;
  }
  if (depth > kMaxSchemaDepth) {
    return given;
  }
  if (given.is_array()) {
    Value array = Value::array();
    for (const Value& each : given.items()) {
      array.push_back(with_numbers(each, n, depth + 1));
    }
    return array;
  }
  if (given.is_object()) {
    Value object = Value::object();
    for (const json::Member& each : given.members()) {
      object.set(each.key(), with_numbers(each.value, n, depth + 1));
    }
    return object;
  }
  return given;
}

Grade by_method(std::string_view method) noexcept {
  return method == "GET" || method == "HEAD"     ? Grade::reads
         : method == "PUT" || method == "DELETE" ? Grade::natural
                                                 : Grade::naive;
}

}  // namespace

std::string_view to_string(Grade grade) noexcept {
  constexpr std::array<std::string_view, 5> names{"reads", "naive", "natural", "key", "barrier"};
  return names[static_cast<std::size_t>(grade)];
}

Grade declared_grade(const Step& step, Op op) noexcept {
  if (step.barrier) {
    return Grade::barrier;
  }
  if (step.replays_answers) {
    return Grade::honest;
  }
  if (op == Op::undo) {
    return step.undo ? by_method(step.undo->target.method()) : Grade::reads;
  }
  const auto* request = std::get_if<Request>(&step.action);
  return request != nullptr ? by_method(request->target.method()) : Grade::reads;
}

Value Shape::draw(Random& random) const {
  if (members.empty()) {
    return number(random);
  }
  Value object = Value::object();
  for (const auto& [name, shape] : members) {
    object.set(name, shape.draw(random));
  }
  return object;
}

Stubs::Stubs(const Definition& definition, std::optional<Value> given)
    : definition_(&definition),
      given_(std::move(given)),
      schema_(definition.input_schema),
      answers_(definition.steps.size()) {
  for (const call::TextTemplate& lock : definition.locks.keys) {
    read(lock.parts());
  }
  if (definition.locks.when) {
    read(*definition.locks.when);
  }
  for (const Step& step : definition.steps) {
    if (const auto* request = std::get_if<Request>(&step.action)) {
      read(*request);
    } else if (const auto* nested = std::get_if<NestedSaga>(&step.action)) {
      read(nested->input);
    }
    for (const std::optional<Request>* each : {&step.undo, &step.status}) {
      if (*each) {
        read(**each);
      }
    }
    if (step.when) {
      read(*step.when);
    }
  }
  for (const Publication& each : definition.publish) {
    read(each.data);
  }
  if (definition.result) {
    read(*definition.result);
  }
  definition_ = nullptr;
}

void Stubs::read(const Request& request) {
  read(request.target.path());
  read(request.target.query());
  for (const auto& [name, value] : request.headers) {
    read(value.parts());
  }
  if (const auto* body = std::get_if<call::Expression>(&request.body)) {
    read(*body);
  }
}

void Stubs::read(const call::Expression& text) { read(text.program()); }

void Stubs::read(const std::vector<call::TemplatePart>& parts) {
  for (const call::TemplatePart& part : parts) {
    if (part.expression) {
      read(*part.expression);
    }
  }
}

void Stubs::read(const expr::Program& program) {
  for (const expr::MemberPath& path : expr::members_read(program)) {
    std::size_t at = 1;
    Shape* shape = &input_;
    if (path.size() > 1 && path[0] == "steps") {
      const auto step = definition_->find(path[1]);
      shape = step ? &answers_[*step] : nullptr;
      at = 2;
    } else if (path.empty() || path[0] != "input") {
      continue;
    }
    for (; shape != nullptr && at < path.size(); ++at) {
      shape = &shape->members[path[at]];
    }
  }
}

Value Stubs::input(Random& random) const {
  if (given_) {
    return with_numbers(*given_, std::to_string(random.below(6)), 0);
  }
  if (schema_.is_object()) {
    return of_schema(schema_, random, 0);
  }
  return input_.members.empty() ? Value::object() : input_.draw(random);
}

std::string Stubs::answer(StepIndex step, std::uint64_t seed) const {
  if (!is_read(step)) {
    return R"({"ok":true})";
  }
  Random random(seed);
  return json::write(answers_[step].draw(random));
}

}  // namespace flotilla::saga::simulation
