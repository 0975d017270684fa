#include "flotilla/events/choreography_config_reader.hpp"

#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "flotilla/config/spec.hpp"
#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {
namespace {

using config::Kind;
using config::Node;
using config::Problems;
using config::Spec;
using Names = std::vector<std::string>;

bool check_topic(const std::string& name, const Node& node, Problems& problems) {
  if (is_topic_name(name)) {
    return true;
  }
  problems.add(
      node.place,
      fmt::format("'{}' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', at most {}",
                  name.substr(0, kMaxTopicName), kMaxTopicName));
  return false;
}

void take_topics(Names& into, Names topics, const Node& node, Problems& problems) {
  if (topics.empty()) {
    problems.add(node.place, "the list is empty: name a topic, or leave the key out");
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (check_topic(topics[i], node.items[i], problems) && !seen.insert(topics[i]).second) {
      problems.add(node.items[i].place, fmt::format("the topic {} stands here twice", topics[i]));
    }
  }
  into = std::move(topics);
}

template <class T, std::string T::* Member>
auto topic_of() {
  return [](T& into, std::string name, const Node& node, Problems& problems) {
    if (check_topic(name, node, problems)) {
      into.*Member = std::move(name);
    }
  };
}

template <class T, Names T::* Member>
auto topics_into() {
  return [](T& into, Names topics, const Node& node, Problems& problems) {
    take_topics(into.*Member, std::move(topics), node, problems);
  };
}

// One element of `expect`, with what must not stand beside each other.
struct WrittenExpectation {
  std::string after;
  Names one_of;
  Names all_of;
  Duration within{0};
};

const Spec<WrittenExpectation>& expectation_spec() {
  using E = WrittenExpectation;
  static const Spec<E> spec = [] {
    Spec<E> s("what is expected after an event");
    s.field_with<std::string>("after", config::text(), topic_of<E, &E::after>(), "a topic");
    s.field_with<Names>("one_of", config::list_of(config::text()), topics_into<E, &E::one_of>(),
                        "topics: an event of one of them should follow", "this, or `all_of`");
    s.field_with<Names>("all_of", config::list_of(config::text()), topics_into<E, &E::all_of>(),
                        "topics: an event of each of them should follow", "this, or `one_of`");
    s.field("within", config::duration(kShortestWithin, kLongestWithin), &E::within,
            "how soon; beyond it, it is overdue", "whenever");
    s.required("after");
    return s;
  }();
  return spec;
}

Kind<Expectation> expectation() {
  return {.form = "a mapping (" + expectation_spec().about() + ")",
          .schema = expectation_spec().schema(),
          .read = [](const Node& node, Problems& problems) -> std::optional<Expectation> {
            WrittenExpectation written;
            if (!expectation_spec().read(node, written, problems)) {
              return std::nullopt;
            }
            if (written.one_of.empty() == written.all_of.empty()) {
              problems.add(node.place, "an expectation has either `one_of` or `all_of`");
              return std::nullopt;
            }
            const bool all = !written.all_of.empty();
            return Expectation{.after = std::move(written.after),
                               .all = all,
                               .topics = std::move(all ? written.all_of : written.one_of),
                               .within = written.within};
          }};
}

Kind<std::vector<Expectation>> expectations() {
  auto kind = config::list_of(expectation());
  kind.reference = [](const std::string& prefix) { return expectation_spec().reference(prefix); };
  return kind;
}

struct Ends {
  Names ok;
  Names undone;
};

const Spec<Ends>& end_spec() {
  static const Spec<Ends> spec = [] {
    Spec<Ends> s("what ends it");
    s.field_with<Names>("ok", config::list_of(config::text()), topics_into<Ends, &Ends::ok>(),
                        "topics whose events say that it has succeeded", "none");
    s.field_with<Names>("undone", config::list_of(config::text()), topics_into<Ends, &Ends::undone>(),
                        "topics whose events say that it was undone", "none");
    return s;
  }();
  return spec;
}

struct Overdue {
  std::string event;
};

const Spec<Overdue>& overdue_spec() {
  static const Spec<Overdue> spec = [] {
    Spec<Overdue> s("what happens when something is overdue");
    s.field_with<std::string>("event", config::text(), topic_of<Overdue, &Overdue::event>(),
                              "the topic that gets an event, once");
    s.required("event");
    return s;
  }();
  return spec;
}

Spec<Choreography> choreography_spec() {
  Spec<Choreography> s("a choreography");
  s.field_with<std::string>(
      "correlate", config::text(),
      [](Choreography& c, const std::string& text, const Node& node, Problems& problems) {
        auto program = compile_correlate(text);
        if (!program) {
          problems.add(node.place, "correlate: " + program.error().message);
          return;
        }
        c.correlate = text;
        c.program = std::move(*program);
      },
      "an expression over an event's data, with $event: which transaction it belongs to",
      "its `correlationid`");
  s.field_with<std::string>("start", config::text(), topic_of<Choreography, &Choreography::start>(),
                            "the topic whose event begins a transaction");
  s.field_with<std::vector<Expectation>>(
      "expect", expectations(),
      [](Choreography& c, std::vector<Expectation> all, const Node& node, Problems& problems) {
        if (all.size() > kMaxExpectations) {
          problems.add(node.place, fmt::format("{} expectations, at most {} can be declared", all.size(),
                                               kMaxExpectations));
        }
        c.expect = std::move(all);
      },
      "which events should follow which", "nothing is expected");
  s.field_with<Ends>(
      "end", end_spec().kind(),
      [](Choreography& c, Ends ends, const Node&, Problems&) {
        c.ok = std::move(ends.ok);
        c.undone = std::move(ends.undone);
      },
      "what ends a transaction, once nothing is expected any more", "that alone");
  s.field_with<Names>("also", config::list_of(config::text()),
                      topics_into<Choreography, &Choreography::also>(),
                      "topics whose events belong to it, and may come whenever", "none");
  s.field_with<Overdue>(
      "on_overdue", overdue_spec().kind(),
      [](Choreography& c, Overdue overdue, const Node&, Problems&) {
        c.on_overdue = std::move(overdue.event);
      },
      "who is told", "nobody");
  s.field("retain", config::duration(kShortestKeep, kLongestKeep), &Choreography::retain,
          "how long a transaction is kept after its last event", "30d");
  s.required("start");
  return s;
}

// The place of what check() finds fault with.
config::Place place_of(const Node& node, const ChoreographyFault& fault, config::Place otherwise) {
  const Node* const expect = node.find("expect");
  if (fault.expectation && expect != nullptr && *fault.expectation < expect->items.size()) {
    return expect->items[*fault.expectation].place;
  }
  for (const char* const key : {"end", "on_overdue"}) {
    if (const Node* const at = node.find(key); at != nullptr && fault.message.starts_with(key)) {
      return at->place;
    }
  }
  return otherwise;
}

}  // namespace

std::vector<ChoreographyPtr> read_choreographies(const Node& node, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to choreographies", problems);
    return {};
  }
  if (node.entries.size() > kMaxChoreographies) {
    problems.add(node.place, fmt::format("{} choreographies, at most {} can be declared", node.entries.size(),
                                         kMaxChoreographies));
    return {};
  }
  const Spec<Choreography> spec = choreography_spec();
  std::vector<ChoreographyPtr> all;
  for (const Node::Entry& entry : node.entries) {
    if (!is_topic_name(entry.key)) {
      problems.add(entry.place,
                   fmt::format("'{}' cannot be the name of a choreography: it is letters, digits, "
                               "'.', '_' and '-', at most {}",
                               entry.key.substr(0, kMaxTopicName), kMaxTopicName));
      continue;
    }
    Choreography made;
    made.name = entry.key;
    if (!spec.read(entry.value, made, problems)) {
      continue;
    }
    const std::vector<ChoreographyFault> faults = check(made);
    for (const ChoreographyFault& fault : faults) {
      problems.add(place_of(entry.value, fault, entry.place), fault.message);
    }
    if (faults.empty()) {
      all.push_back(std::make_shared<const Choreography>(std::move(made)));
    }
  }
  return all;
}

std::string choreography_schema() { return choreography_spec().schema(); }
std::string choreography_reference() { return choreography_spec().reference(); }

}  // namespace flotilla::events
