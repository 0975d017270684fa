#include "flotilla/saga/definition_reader_step.hpp"

#include "flotilla/base/text.hpp"
#include "flotilla/config/schema_node.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/definition_reader.hpp"

namespace flotilla::saga {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

using Body = Written<std::variant<std::string, json::Value>>;
using Headers = std::vector<std::pair<std::string, WrittenText>>;

Kind<Written<bool>> written_flag() {
  auto plain = config::boolean();
  return {.form = plain.form,
          .schema = plain.schema,
          .read = [plain](const Node& node, Problems& problems) -> std::optional<Written<bool>> {
            const auto flag = plain.read(node, problems);
            return flag ? std::optional(Written<bool>{*flag, position_of(node)}) : std::nullopt;
          }};
}

// Text is an expression; a mapping or a list is sent as it stands.
Kind<Body> body() {
  const std::string form = "an expression, or a mapping or list sent as JSON";
  return {.form = form,
          .schema = R"({"type":["string","object","array"]})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<Body> {
            if (node.kind == Node::Kind::scalar) {
              return Body{node.text, position_of(node)};
            }
            const auto literal = json::parse(config::to_json(node));
            if (node.kind == Node::Kind::null || !literal) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            return Body{*literal, position_of(node)};
          }};
}

Kind<Headers> headers() {
  const std::string form = "a mapping of header names to templates";
  return {.form = form,
          .schema = R"({"type":"object","additionalProperties":{"type":"string"}})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<Headers> {
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            Headers all;
            for (const Node::Entry& entry : node.entries) {
              if (const auto* const text = config::scalar(entry.value, "a template", problems)) {
                all.emplace_back(entry.key, WrittenText{*text, position_of(entry.value)});
              }
            }
            return all;
          }};
}

const Spec<RetryDraft>& retry_spec() {
  static const Spec<RetryDraft> spec = [] {
    Spec<RetryDraft> s("retry of a step; `outcomes` says which answers are tried again");
    s.field_with<std::uint32_t>(
        "attempts", config::integer(1, kMostAttempts),
        [](RetryDraft& r, std::uint32_t n, const Node&, Problems&) { r.attempts = n; },
        "attempts, the first included", "8, unless `within` is named");
    s.field_with<Duration>(
        "within", config::duration(kShortest, kLongestWait),
        [](RetryDraft& r, Duration d, const Node&, Problems&) { r.within = d; },
        "time in which attempts begin", "2m, unless `attempts` is named");
    s.field_with<config::DurationRange>(
        "backoff", config::duration_range(),
        [](RetryDraft& r, config::DurationRange range, const Node&, Problems&) {
          r.first = range.first;
          r.cap = range.last;
        },
        "ceiling of the first pause, and of all; the pause is drawn below it",
        "200ms..30s; of undos and retriable steps 200ms..60s");
    s.field_with<double>(
        "factor", config::number(1, 100),
        [](RetryDraft& r, double f, const Node&, Problems&) { r.factor = f; }, "growth of the ceiling", "2");
    return s;
  }();
  return spec;
}

Kind<Written<RetryDraft>> written_retry() {
  auto plain = retry_spec().kind();
  return {.form = plain.form,
          .schema = plain.schema,
          .read = [plain](const Node& node, Problems& problems) -> std::optional<Written<RetryDraft>> {
            auto retry = plain.read(node, problems);
            return retry ? std::optional(Written<RetryDraft>{*retry, position_of(node)}) : std::nullopt;
          },
          .reference = plain.reference};
}

const Spec<RequestDraft>& request_spec() {
  static const Spec<RequestDraft> spec = [] {
    Spec<RequestDraft> s("a request");
    s.field("call", written_text("METHOD service/path"), &RequestDraft::call, "where to");
    s.field_with<Body>(
        "body", body(), [](RequestDraft& r, Body b, const Node&, Problems&) { r.body = std::move(b); },
        "what is sent", "nothing");
    s.field("headers", headers(), &RequestDraft::headers, "headers", "none");
    s.field_with<Written<Duration>>(
        "timeout", written_duration(kShortest, kLongestTimeout),
        [](RequestDraft& r, Written<Duration> d, const Node&, Problems&) { r.timeout = d; }, "of one attempt",
        "5s; of undo and status that of the action");
    s.field_with<Written<RetryDraft>>(
        "retry", written_retry(),
        [](RequestDraft& r, Written<RetryDraft> retry, const Node&, Problems&) { r.retry = retry; },
        "sending again");
    s.required("call");
    return s;
  }();
  return spec;
}

Kind<RequestDraft> request() {
  const std::string form = "METHOD service/path, or a mapping with call";
  return {.form = form,
          .schema = fmt::format(R"({{"anyOf":[{{"type":"string"}},{}]}})", request_spec().schema()),
          .read = [form](const Node& node, Problems& problems) -> std::optional<RequestDraft> {
            RequestDraft draft;
            if (node.kind == Node::Kind::scalar) {
              draft.call = {node.text, position_of(node)};
              return draft;
            }
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            return request_spec().read(node, draft, problems) ? std::optional(std::move(draft))
                                                              : std::nullopt;
          }};
}

struct Wait {
  std::optional<std::string> signal;
  std::optional<Duration> within;
  std::optional<Duration> timer;
  std::optional<std::string> otherwise;
};
const Spec<Wait>& wait_spec() {
  static const Spec<Wait> spec = [] {
    Spec<Wait> s("a wait");
    s.field_with<std::string>(
        "signal", config::text(),
        [](Wait& w, std::string name, const Node&, Problems&) { w.signal = std::move(name); },
        "name of the signal to wait for; its payload is the step's answer");
    s.field_with<Duration>(
        "within", config::duration(kShortest, kLongestWait),
        [](Wait& w, Duration d, const Node&, Problems&) { w.within = d; }, "how long for the signal",
        "until the deadline");
    s.field_with<std::string>(
        "else", config::one_of({"abort", "continue"}),
        [](Wait& w, std::string word, const Node&, Problems&) { w.otherwise = std::move(word); },
        "what happens when the signal does not come within that time", "abort");
    s.field_with<Duration>(
        "timer", config::duration(kShortest, kLongestWait),
        [](Wait& w, Duration d, const Node&, Problems&) { w.timer = d; }, "how long to wait, for no signal");
    return s;
  }();
  return spec;
}

// A step as its keys stand in the file: what belongs to the action may stand beside it.
struct StepKeys {
  StepDraft draft;
  std::optional<Body> body;
  std::optional<Written<Headers>> headers;
  std::optional<Written<Duration>> timeout;
  std::optional<Written<RetryDraft>> retry;
  std::optional<WrittenText> input;
  std::optional<Node> output;  // of its schema
};

void read_wait(StepKeys& step, const Wait& wait, const Node& node, Problems& problems) {
  if (wait.signal.has_value() == wait.timer.has_value()) {
    problems.add(node.place, "a wait is for a `signal` or for a `timer`; write one of them");
  } else if (wait.timer && (wait.within || wait.otherwise)) {
    problems.add(node.place, "`within` and `else` are for a wait for a `signal`; take them out");
  } else if (wait.otherwise && !wait.within) {
    problems.add(node.place, "`else` says what happens after `within`; write that too");
  } else if (wait.timer) {
    step.draft.timer = {{*wait.timer}, position_of(node)};
  } else {
    step.draft.signal = {{*wait.signal, wait.within, wait.otherwise != "continue"}, position_of(node)};
  }
}

using Outcomes = std::vector<Written<StatusOutcome>>;
Kind<Outcomes> outcomes() {
  const std::string form = "a mapping of statuses to ok, pending, retry, unknown, refused or config";
  return {
      .form = form,
      .schema = R"({"type":"object","propertyNames":{"pattern":"^[2-5][0-9][0-9]$"},)"
                R"("additionalProperties":{"enum":["ok","pending","retry","unknown","refused","config"]}})",
      .read = [form](const Node& node, Problems& problems) -> std::optional<Outcomes> {
        if (node.kind != Node::Kind::map) {
          config::wrong(node, form, problems);
          return std::nullopt;
        }
        Outcomes all;
        for (const Node::Entry& entry : node.entries) {
          const auto status = parse_int<std::uint16_t>(entry.key);
          const auto verdict = parse_verdict(entry.value.text);
          if (!status) {
            problems.add(entry.place, fmt::format("'{}' is no status; write one, such as 402", entry.key));
          } else if (!verdict) {
            config::wrong(entry.value, "one of ok, pending, retry, unknown, refused, config", problems);
          } else {
            all.push_back({{*status, *verdict}, position_of(entry)});
          }
        }
        return all;
      }};
}

void add_order(Spec<StepKeys>& s) {
  s.field_with<std::string>(
      "kind", config::one_of({"compensatable", "pivot", "retriable"}),
      [](StepKeys& k, const std::string& word, const Node& node, Problems&) {
        k.draft.kind = {word == "pivot"       ? StepKind::pivot
                        : word == "retriable" ? StepKind::retriable
                                              : StepKind::compensatable,
                        position_of(node)};
      },
      "whether it can be undone, decides, or is tried until it succeeds", "compensatable");
  s.field_with<std::vector<WrittenText>>(
      "after", config::list_of(written_text("the name of a step")),
      [](StepKeys& k, std::vector<WrittenText> names, const Node&, Problems&) {
        k.draft.after = std::move(names);
      },
      "steps that must be done before; `[]` for none", "the step before it");
  s.field_with<WrittenText>(
      "when", written_text("an expression"),
      [](StepKeys& k, WrittenText text, const Node&, Problems&) { k.draft.when = std::move(text); },
      "false or null skips the step", "always");
}

void add_work(Spec<StepKeys>& s) {
  s.field_with<RequestDraft>(
      "action", request(),
      [](StepKeys& k, RequestDraft r, const Node&, Problems&) { k.draft.action = std::move(r); },
      "the request that does it");
  s.field_with<Body>(
      "body", body(), [](StepKeys& k, Body b, const Node&, Problems&) { k.body = std::move(b); },
      "of the action", "nothing");
  s.field_with<Headers>(
      "headers", headers(),
      [](StepKeys& k, Headers h, const Node& node, Problems&) {
        k.headers = {std::move(h), position_of(node)};
      },
      "of the action", "none");
  s.field_with<Written<Duration>>(
      "timeout", written_duration(kShortest, kLongestTimeout),
      [](StepKeys& k, Written<Duration> d, const Node&, Problems&) { k.timeout = d; },
      "of one attempt of the action", "5s");
  s.field_with<Written<RetryDraft>>(
      "retry", written_retry(),
      [](StepKeys& k, Written<RetryDraft> r, const Node&, Problems&) { k.retry = r; }, "of the action");
  s.field_with<WrittenText>(
      "saga", written_text("the name of a saga"),
      [](StepKeys& k, WrittenText name, const Node&, Problems&) {
        k.draft.saga.emplace(NestedDraft{.name = std::move(name)});
      },
      "a saga to run, instead of an action");
  s.field_with<WrittenText>(
      "input", written_text("an expression"),
      [](StepKeys& k, WrittenText text, const Node&, Problems&) { k.input = std::move(text); },
      "of that saga");
  auto wait = wait_spec().kind();
  s.field_with<Wait>(
      "wait", wait,
      [](StepKeys& k, const Wait& w, const Node& node, Problems& p) { read_wait(k, w, node, p); },
      "a signal or a time to wait for, instead of an action");
}

void add_undo(Spec<StepKeys>& s) {
  auto undo = request();
  undo.form = "METHOD service/path, a mapping with call, or none";
  s.field_with<RequestDraft>(
      "undo", undo,
      [](StepKeys& k, RequestDraft r, const Node& node, Problems&) {
        if (node.kind == Node::Kind::scalar && node.text == "none") {
          k.draft.no_undo = position_of(node);
        } else {
          k.draft.undo = std::move(r);
        }
      },
      "the request that undoes it, tried until it succeeds");
  s.field_with<WrittenText>(
      "because", written_text("a reason"),
      [](StepKeys& k, WrittenText text, const Node&, Problems&) { k.draft.because = std::move(text); },
      "why `undo: none` is right");
  s.field_with<Written<bool>>(
      "undo_404_ok", written_flag(),
      [](StepKeys& k, Written<bool> b, const Node&, Problems&) { k.draft.undo_404_ok = b; },
      "a 404 to the undo means there is nothing left to undo", "false");
  s.field_with<Written<bool>>(
      "barrier", written_flag(),
      [](StepKeys& k, Written<bool> b, const Node&, Problems&) { k.draft.barrier = b; },
      "the service lets no action have an effect after its undo", "false");
}

void add_answers(Spec<StepKeys>& s) {
  s.field_with<RequestDraft>(
      "status", request(),
      [](StepKeys& k, RequestDraft r, const Node&, Problems&) { k.draft.status = std::move(r); },
      "a GET that tells whether the action took effect, when its answer was lost");
  s.field_with<Outcomes>(
      "outcomes", outcomes(),
      [](StepKeys& k, Outcomes all, const Node&, Problems&) { k.draft.outcomes = std::move(all); },
      "what a status of the action means, where the table of answers is wrong", "none");
  s.field_with<std::string>(
      "idempotent", config::one_of({"key"}),
      [](StepKeys& k, const std::string&, const Node& node, Problems&) {
        k.draft.replays_answers = {true, position_of(node)};
      },
      "the service replays its first answer for a repeated key", "not promised");
  s.field_with<std::string>(
      "on_unknown", config::one_of({"abort", "suspend"}),
      [](StepKeys& k, const std::string& word, const Node& node, Problems&) {
        k.draft.abort_when_unknown = {word == "abort", position_of(node)};
      },
      "when the attempts are spent and nobody knows whether it took effect", "abort; of a pivot suspend");
  s.field_with<Written<bool>>(
      "accept_202", written_flag(),
      [](StepKeys& k, Written<bool> b, const Node&, Problems&) { k.draft.accept_202 = b; },
      "a 202 is the end of it, not the beginning", "false");
}

void add_output(Spec<StepKeys>& s) {
  s.field_with<SchemaKeys>(
      "output",
      schema_spec("output", "what the action's answer must fulfil; one that does not suspends the saga")
          .kind(),
      [](StepKeys& k, SchemaKeys output, const Node&, Problems&) { k.output = std::move(output.schema); },
      "what the action answers");
}

const Spec<StepKeys>& step_spec() {
  static const Spec<StepKeys> spec = [] {
    Spec<StepKeys> s("a step");
    add_order(s);
    add_work(s);
    add_undo(s);
    add_answers(s);
    add_output(s);
    return s;
  }();
  return spec;
}

// Puts what stands beside the action into it.
void complete(StepKeys& keys, Problems& problems) {
  const auto place = [](Position at) { return config::Place{at.line, at.column}; };
  const auto twice = [&](bool inside, Position at, std::string_view key) {
    if (inside) {
      problems.add(place(at), fmt::format("`{}` stands within `action` and beside it; keep one", key));
    } else if (!keys.draft.action) {
      problems.add(place(at), fmt::format("`{}` is of an `action`, and this step has none", key));
    }
    return keys.draft.action && !inside;
  };
  std::optional<RequestDraft>& action = keys.draft.action;
  if (keys.body && twice(action && action->body, keys.body->at, "body")) {
    action->body = std::move(keys.body);
  }
  if (keys.headers && twice(action && !action->headers.empty(), keys.headers->at, "headers")) {
    action->headers = std::move(keys.headers->value);
  }
  if (keys.timeout && twice(action && action->timeout, keys.timeout->at, "timeout")) {
    action->timeout = keys.timeout;
  }
  if (keys.retry && twice(action && action->retry, keys.retry->at, "retry")) {
    action->retry = keys.retry;
  }
  if (keys.input && keys.draft.saga) {
    keys.draft.saga->input = std::move(keys.input);
  } else if (keys.input) {
    problems.add(place(keys.input->at),
                 "`input` is of a `saga`, and this step has none; an action has a `body`");
  }
}

std::optional<StepDraft> read_step(const Node& node, const config::Sources& sources, Problems& problems) {
  if (node.kind != Node::Kind::map || node.entries.size() != 1) {
    const bool flat = node.kind == Node::Kind::map && !node.entries.empty();
    problems.add(flat ? node.entries[1].place : node.place,  // the first key was taken for the name

                 "a step is NAME: {...}; indent what belongs to it below its name");
    return std::nullopt;
  }
  const Node::Entry& entry = node.entries.front();
  StepKeys keys;
  keys.draft.name = {entry.key, position_of(entry)};
  Problems own;
  step_spec().read(entry.value, keys, own);
  if (own.empty()) {
    complete(keys, own);
  }
  if (keys.output) {
    if (auto schema = read_schema(*keys.output, sources, own)) {
      keys.draft.output_schema = {*std::move(schema), position_of(*keys.output)};
    }
  }
  const bool good = own.empty();
  problems.append(std::move(own));
  return good ? std::optional(std::move(keys.draft)) : std::nullopt;
}

}  // namespace

config::Kind<WrittenText> written_text(std::string form) {
  return {.form = form,
          .schema = R"({"type":"string"})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<WrittenText> {
            const std::string* const text = config::scalar(node, form, problems);
            return text == nullptr ? std::nullopt : std::optional(WrittenText{*text, position_of(node)});
          }};
}

config::Kind<Written<Duration>> written_duration(Duration least, Duration most) {
  auto plain = config::duration(least, most);
  return {.form = plain.form,
          .schema = plain.schema,
          .read = [plain](const Node& node, Problems& problems) -> std::optional<Written<Duration>> {
            const auto value = plain.read(node, problems);
            return value ? std::optional(Written<Duration>{*value, position_of(node)}) : std::nullopt;
          }};
}

std::optional<json::Value> read_schema(const Node& node, const config::Sources& sources, Problems& problems) {
  return config::read_schema_document(node, sources, problems);
}

Spec<SchemaKeys> schema_spec(std::string about, std::string doc) {
  Spec<SchemaKeys> s(std::move(about));
  auto any = config::json_value();
  any.form = config::kSchemaForm;
  s.field_with<std::string>(
      "schema", any,
      [](SchemaKeys& keys, const std::string&, const Node& node, Problems&) { keys.schema = node; },
      std::move(doc));
  s.required("schema");
  return s;
}

config::Kind<std::vector<StepDraft>> steps_kind(const config::Sources& sources) {
  return {.form = "a list of NAME: {...}, below",
          .schema = fmt::format(R"({{"type":"array","minItems":1,"maxItems":{},"items":{{"type":"object",)"
                                R"("minProperties":1,"maxProperties":1,"additionalProperties":{}}}}})",
                                kMaxSteps, step_spec().schema()),
          .read = [&sources](const Node& node, Problems& problems) -> std::optional<std::vector<StepDraft>> {
            if (node.kind != Node::Kind::list) {
              config::wrong(node, "a list of steps, each NAME: {...}", problems);
              return std::nullopt;
            }
            std::vector<StepDraft> steps;
            bool good = true;
            for (const Node& item : node.items) {
              auto step = read_step(item, sources, problems);
              good &= step.has_value();
              if (step) {
                steps.push_back(*std::move(step));
              }
            }
            return good ? std::optional(std::move(steps)) : std::nullopt;
          }};
}

std::string step_reference() { return step_spec().reference(); }

}  // namespace flotilla::saga
