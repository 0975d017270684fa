#include "flotilla/cqrs/view_config_reader.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "flotilla/config/spec.hpp"
#include "flotilla/journal/core/topic.hpp"

namespace flotilla::cqrs {
namespace {

using config::Node;
using config::Problems;
using config::Spec;

// As the file has it.
struct DeclaredView : ViewTexts {
  Duration cache{0};
};

void take_from(DeclaredView& view, std::vector<std::string> topics, const Node& node, Problems& problems) {
  if (topics.empty() || topics.size() > kMaxSources) {
    problems.add(node.place, fmt::format("from: a view folds 1 to {} topics, this one has {}", kMaxSources,
                                         topics.size()));
    return;
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < topics.size(); ++i) {
    if (!journal::is_topic_name(topics[i])) {
      problems.add(node.items[i].place,
                   fmt::format("'{}' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', "
                               "at most {}",
                               topics[i].substr(0, journal::kMaxTopicName), journal::kMaxTopicName));
    } else if (!seen.insert(topics[i]).second) {
      problems.add(node.items[i].place, fmt::format("the topic {} stands here twice", topics[i]));
    }
  }
  view.from = std::move(topics);
}

using Compile = Result<expr::Program> (*)(const std::string&);

template <std::string ViewTexts::* Member>
auto take_expression(const char* name, Compile compile) {
  return [name, compile](DeclaredView& view, const std::string& text, const Node& node, Problems& problems) {
    if (text.empty()) {
      problems.add(node.place, fmt::format("{}: an expression is missing", name));
    } else if (const auto compiled = compile(text); !compiled) {
      problems.add(node.place, fmt::format("{}: {}", name, compiled.error().message));
    }
    view.*Member = text;
  };
}

Spec<DeclaredView> view_spec() {
  Spec<DeclaredView> s("a view");
  s.field_with<std::vector<std::string>>(
      "from", config::list_of(config::text()), &take_from,
      fmt::format("the topics whose events it folds, at most {}", kMaxSources));
  s.field_with<std::string>(
      "key", config::text(), take_expression<&ViewTexts::key>("key", &compile_view_key),
      "an expression over an event's data, with $event: under which key it is read; null: "
      "the event is of no concern");
  s.field_with<std::string>("row", config::text(), take_expression<&ViewTexts::row>("row", &compile_view_key),
                            "the same, for a view of many rows per key: which row the event folds",
                            "one row per key");
  s.field_with<std::string>(
      "fold", config::text(), take_expression<&ViewTexts::fold>("fold", &compile_view_fold),
      "over the row so far (null at first), with $event and $data, its data: the row that "
      "becomes of it; null removes it");
  s.field("cache", config::duration(kLeastCache, kMostCache), &DeclaredView::cache,
          "how long a copy of an answer may live in the Redis of `stores.views`; never the truth's life",
          "no copies");
  s.required("from").required("key").required("fold");
  return s;
}

}  // namespace

std::vector<ViewDefinitionPtr> read_views(const Node& node, Problems& problems) {
  if (node.kind != Node::Kind::map) {
    config::wrong(node, "a mapping of names to views", problems);
    return {};
  }
  if (node.entries.size() > kMaxViews) {
    problems.add(node.place,
                 fmt::format("{} views, at most {} can be declared", node.entries.size(), kMaxViews));
    return {};
  }
  const Spec<DeclaredView> spec = view_spec();
  std::vector<ViewDefinitionPtr> views;
  for (const Node::Entry& entry : node.entries) {
    if (!journal::is_topic_name(entry.key)) {  // one rule for what stands in paths and names of cursors
      problems.add(entry.place, fmt::format("'{}' cannot be the name of a view: it is letters, digits, '.', "
                                            "'_' and '-', at most {}",
                                            entry.key.substr(0, kMaxViewName), kMaxViewName));
      continue;
    }
    DeclaredView declared;
    if (!spec.read(entry.value, declared, problems)) {
      continue;
    }
    const Duration cache = declared.cache;
    auto view = compile_view(entry.key, std::move(declared), cache);
    if (view) {
      views.push_back(std::move(*view));
    } else {
      problems.add(entry.place, view.error().message);
    }
  }
  return views;
}

std::string view_schema() { return view_spec().schema(); }
std::string view_reference() { return view_spec().reference(); }

}  // namespace flotilla::cqrs
