#include "flotilla/app/erasure_views.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

namespace flotilla::app {
namespace {

// Of erasures under way, over all of them.
struct Rebuilding {
  std::set<std::string> to_begin;  // one that was being built already is begun anew when that is done
  std::set<std::string> begun;
};

bool reads(const cqrs::ViewStatus& view, const std::set<std::string>& topics) {
  return std::ranges::any_of(view.definition->texts.from,
                             [&](const std::string& topic) { return topics.contains(topic); });
}

net::Task<std::vector<std::string>> go_on(cqrs::ViewRunner& runner, std::shared_ptr<Rebuilding> state,
                                          std::set<std::string> topics, bool begin) {
  std::vector<std::string> left;
  for (const cqrs::ViewStatus& view : co_await runner.list()) {
    const std::string& name = view.definition->name;
    if (!reads(view, topics)) {
      continue;
    }
    if (begin) {
      state->begun.erase(name);
      state->to_begin.insert(name);
    }
    const bool is_building = view.report.building.has_value() || view.report.doomed > 0;
    if (state->begun.contains(name) && !is_building) {
      state->begun.erase(name);
      continue;
    }
    if (state->to_begin.contains(name) && !is_building && co_await runner.rebuild(name, "erasure")) {
      state->to_begin.erase(name);
      state->begun.insert(name);
    }
    if (state->to_begin.contains(name) || state->begun.contains(name)) {
      left.push_back(fmt::format("view {}", name));
    }
  }
  co_return left;
}

}  // namespace

events::Erasure::Rebuild rebuild_views(cqrs::ViewRunner& runner) {
  return [&runner, state = std::make_shared<Rebuilding>()](std::set<std::string> topics, bool begin) {
    return go_on(runner, state, std::move(topics), begin);
  };
}

}  // namespace flotilla::app
