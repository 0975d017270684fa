#include "flotilla/saga/definition_reader.hpp"

#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/definition_reader_step.hpp"

namespace flotilla::saga {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;

constexpr Duration kLeastKeeping = std::chrono::minutes(1);

// queue, reject, or a duration.
Kind<LocksDraft> if_held() {
  const std::string form = "queue, reject, or how long to wait, such as 30s";
  return {.form = form,
          .schema = R"({"type":"string","pattern":"^(queue|reject|[0-9]+(us|ms|s|m|h|d))$"})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<LocksDraft> {
            LocksDraft draft;
            const auto wait = config::parse_duration(node.text);
            if (node.text == "reject") {
              draft.if_held = Locks::IfHeld::reject;
            } else if (wait && node.kind == Node::Kind::scalar) {
              draft.if_held = Locks::IfHeld::wait;
              draft.wait = {*wait, position_of(node)};
            } else if (node.text != "queue") {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            return draft;
          }};
}

const Spec<LocksDraft>& locks_spec() {
  static const Spec<LocksDraft> spec = [] {
    Spec<LocksDraft> s("locks");
    s.field("keys", config::list_of(written_text("a template")), &LocksDraft::keys,
            "what no two running sagas may hold at once");
    s.field_with<WrittenText>(
        "when", written_text("an expression"),
        [](LocksDraft& l, WrittenText text, const Node&, Problems&) { l.when = std::move(text); },
        "false or null: this input needs no lock", "always");
    s.field_with<LocksDraft>(
        "if_held", if_held(),
        [](LocksDraft& l, const LocksDraft& read, const Node&, Problems&) {
          l.if_held = read.if_held;
          l.wait = read.wait;
        },
        "when another saga holds one: queue until the deadline, refuse with 423, or queue for so long",
        "queue");
    s.required("keys");
    return s;
  }();
  return spec;
}

Kind<LocksDraft> locks() {
  const auto keys = config::list_of(written_text("a template"));
  return {.form = "a list of templates, or a mapping with keys",
          .schema = fmt::format(R"({{"anyOf":[{},{}]}})", keys.schema, locks_spec().schema()),
          .read = [keys](const Node& node, Problems& problems) -> std::optional<LocksDraft> {
            LocksDraft draft;
            if (node.kind != Node::Kind::list) {
              return locks_spec().read(node, draft, problems) ? std::optional(std::move(draft))
                                                              : std::nullopt;
            }
            auto list = keys.read(node, problems);
            if (!list) {
              return std::nullopt;
            }
            draft.keys = std::move(*list);
            return draft;
          },
          .reference = [](const std::string& prefix) { return locks_spec().reference(prefix); }};
}

const Spec<PublicationDraft>& publication_spec() {
  static const Spec<PublicationDraft> spec = [] {
    Spec<PublicationDraft> s("what is published");
    s.field("topic", written_text("the name of a topic"), &PublicationDraft::topic, "where to, and its type");
    s.field_with<WrittenText>(
        "data", written_text("an expression"),
        [](PublicationDraft& d, WrittenText text, const Node&, Problems&) { d.data = std::move(text); },
        "the event's data", ".input");
    s.required("topic");
    return s;
  }();
  return spec;
}

using Publications = std::vector<PublicationDraft>;
Kind<Publications> publications() {
  const std::string form = "a mapping of accepted, done.STEP, ... to topics";
  return {
      .form = form,
      .schema = fmt::format(R"({{"type":"object","additionalProperties":{}}})", publication_spec().schema()),
      .read = [form](const Node& node, Problems& problems) -> std::optional<Publications> {
        if (node.kind != Node::Kind::map) {
          config::wrong(node, form, problems);
          return std::nullopt;
        }
        Publications all;
        bool good = true;
        for (const Node::Entry& entry : node.entries) {
          PublicationDraft draft{.cause = {entry.key, position_of(entry)}, .topic = {}};
          good &= publication_spec().read(entry.value, draft, problems);
          all.push_back(std::move(draft));
        }
        return good ? std::optional(std::move(all)) : std::nullopt;
      },
      .reference = [](const std::string& prefix) { return publication_spec().reference(prefix + "AT."); }};
}

using Attributes = std::vector<std::pair<WrittenText, WrittenText>>;
Kind<Attributes> attributes() {
  const std::string form = "a mapping of names to expressions";
  return {.form = form,
          .schema = R"({"type":"object","additionalProperties":{"type":"string"}})",
          .read = [form](const Node& node, Problems& problems) -> std::optional<Attributes> {
            if (node.kind != Node::Kind::map) {
              config::wrong(node, form, problems);
              return std::nullopt;
            }
            Attributes all;
            for (const Node::Entry& entry : node.entries) {
              if (const auto* const text = config::scalar(entry.value, "an expression", problems)) {
                all.emplace_back(WrittenText{entry.key, position_of(entry)},
                                 WrittenText{*text, position_of(entry.value)});
              }
            }
            return all;
          }};
}

struct Retention {
  std::optional<Written<Duration>> completed;
  std::optional<Written<Duration>> compensated;
};
const Spec<Retention>& retention_spec() {
  static const Spec<Retention> spec = [] {
    Spec<Retention> s("retention");
    const auto length = written_duration(kLeastKeeping, kLongestKeeping);
    s.field_with<Written<Duration>>(
        "completed", length,
        [](Retention& r, Written<Duration> d, const Node&, Problems&) { r.completed = d; },
        "how long a completed saga can be looked at", "7d");
    s.field_with<Written<Duration>>(
        "compensated", length,
        [](Retention& r, Written<Duration> d, const Node&, Problems&) { r.compensated = d; },
        "how long one that was undone; a failed one is kept for ever", "30d");
    return s;
  }();
  return spec;
}

// A word that sets a flag, and the one that does not, which is the default.
void add_choice(Spec<SagaDraft>& s, std::string key, std::string off, std::string on, bool SagaDraft::* flag,
                std::string doc) {
  s.field_with<std::string>(
      std::move(key), config::one_of({off, on}),
      [flag, on](SagaDraft& draft, const std::string& word, const Node&, Problems&) {
        draft.*flag = word == on;
      },
      std::move(doc), off);
}

Spec<SagaDraft> saga_spec(const config::Sources& sources) {
  Spec<SagaDraft> s("a saga");
  s.field("steps", steps_kind(sources), &SagaDraft::steps,
          "one after the other unless `after` says otherwise");
  s.field("version", config::integer(0, 1'000'000'000), &SagaDraft::version,
          "a number for people; the content decides what a running saga is held to", "0");
  s.field_with<SchemaKeys>(
      "input", schema_spec("input", "what the input must fulfil before the saga is accepted").kind(),
      [&sources](SagaDraft& d, const SchemaKeys& input, const Node&, Problems& problems) {
        auto schema = input.schema ? read_schema(*input.schema, sources, problems) : std::nullopt;
        if (schema) {
          d.input_schema = {*std::move(schema), position_of(*input.schema)};
        }
      },
      "what it is started with");
  s.field("require_key", config::boolean(), &SagaDraft::require_key,
          "a start without an Idempotency-Key is refused with 400", "false");
  s.field_with<Attributes>(
      "search", attributes(),
      [](SagaDraft& d, Attributes all, const Node&, Problems&) { d.search = std::move(all); },
      "attributes by which lists find it: names, and expressions over its input", "none");
  s.field("redact", config::list_of(written_text("a path")), &SagaDraft::redact,
          "values that are never shown: .input.NAME, .steps.STEP.NAME, .result.NAME", "none");
  s.field_with<Written<Duration>>(
      "deadline", written_duration(kShortest, kLongestWait),
      [](SagaDraft& d, Written<Duration> length, const Node&, Problems&) { d.deadline = length; },
      "after this time it is undone, unless the pivot may have run", "none");
  s.field("locks", locks(), &SagaDraft::locks, "what it holds from acceptance to its end", "none");
  s.field("publish", publications(), &SagaDraft::publish,
          "events written in the same commit as what they tell", "none");
  s.field_with<WrittenText>(
      "result", written_text("an expression"),
      [](SagaDraft& d, WrittenText text, const Node&, Problems&) { d.result = std::move(text); },
      "its answer once completed", "null");
  add_choice(s, "on_failure", "fail-fast", "drain", &SagaDraft::drain_on_failure,
             "after a failure open branches start nothing more, or go on to their end before the undo");
  add_choice(s, "order", "strict", "independent", &SagaDraft::independent_undo,
             "an undo that is refused stops the undoing, or only that of its branch");
  add_choice(s, "on_blocked", "suspend", "fail", &SagaDraft::fail_when_blocked,
             "an undo that is refused waits for a person, or ends the saga as failed");
  s.field_with<Retention>(
      "retention", retention_spec().kind(),
      [](SagaDraft& d, const Retention& r, const Node&, Problems&) {
        d.keep_completed = r.completed;
        d.keep_compensated = r.compensated;
      },
      "how long an ended saga is kept");
  s.required("steps");
  return s;
}

const config::Sources& no_sources() {
  static const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                                    .file = [](const std::string&) { return std::nullopt; }};
  return none;
}

void tell(std::vector<Fault> faults, Problems& problems) {
  for (Fault& fault : faults) {
    problems.add({fault.at.line, fault.at.column}, std::move(fault.message));
  }
}

}  // namespace

std::vector<DefinitionPtr> read_sagas(const Node& node, const config::Sources& sources, Problems& problems,
                                      Problems& warnings) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to sagas", problems);
    return {};
  }
  const Spec<SagaDraft> spec = saga_spec(sources);
  std::vector<SagaDraft> drafts;
  bool good = true;
  for (const Node::Entry& entry : node.entries) {
    SagaDraft draft{.name = {entry.key, position_of(entry)}};
    good &= spec.read(entry.value, draft, problems);
    drafts.push_back(std::move(draft));
  }
  if (!good) {
    return {};
  }
  auto checked = check_definitions(drafts);
  if (!checked) {
    tell(std::move(checked.error()), problems);
    return {};
  }
  tell(std::move(checked->warnings), warnings);
  return std::move(checked->definitions);
}

std::string saga_schema() { return saga_spec(no_sources()).schema(); }
std::string saga_reference() { return saga_spec(no_sources()).reference(); }

}  // namespace flotilla::saga
