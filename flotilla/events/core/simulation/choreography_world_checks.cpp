// What must hold of the rows at every commit.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/events/core/simulation/choreography_world.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events::simulation {

// Those that are folded, behind where the transaction was forgotten.
std::vector<Fact> ChoreographyWorld::facts_of(const std::string& id) const {
  const auto since = since_.find(id);
  std::vector<Fact> out;
  for (const Stored& stored : journal_) {
    if (stored.fact.position <= position_ && stored.fact.instance == id &&
        (since == since_.end() || stored.fact.position > since->second)) {
      out.push_back(stored.fact);
    }
  }
  return out;
}

void ChoreographyWorld::check_commit() {
  ++coverage_.commits;
  Rows wanted;  // names; the values are those that are there
  std::set<std::string> ids;
  for (const Stored& stored : journal_) {
    ids.insert(stored.fact.instance);
  }
  for (const std::string& id : ids) {
    const std::vector<Fact> facts = facts_of(id);
    if (facts.empty()) {
      continue;
    }
    const journal::RowName name{.key = instance_key(id), .row = {}};
    const auto row = rows_.find(name);
    if (row == rows_.end()) {
      violated(fmt::format("{} has events, and is not there", id));
      return;
    }
    const auto instance = read_instance(json::parse(row->second).value());
    if (!instance) {
      violated(fmt::format("{} is damaged", id));
      return;
    }
    wanted.emplace(name, "");
    check_instance(*instance, facts, wanted);
    note_instance(*instance);
  }
  for (const auto& [name, value] : rows_) {
    if (!wanted.contains(name)) {
      violated(fmt::format("there is a row {} {} that no transaction has", name.key, name.row));
      return;
    }
  }
  for (const auto& [name, value] : wanted) {
    if (!rows_.contains(name)) {
      violated(fmt::format("there is no row {} {}", name.key, name.row));
      return;
    }
  }
}

void ChoreographyWorld::check_instance(const Instance& instance, const std::vector<Fact>& facts,
                                       Rows& wanted) {
  const Verdict says = verdict_of(instance, shards_);
  const Verdict must = judge(*choreography_, facts);
  if (says != must) {
    violated(fmt::format("of {}\n  it says      {}\n  and must say {}", instance.id, describe(says),
                         describe(must)));
    return;
  }
  std::int64_t changed = 0;
  for (const Fact& fact : facts) {
    changed = std::max(changed, fact.recorded_ms);
    const bool is_event = fact.group.empty() && fact.topic != choreography_->on_overdue;
    if (is_event && fact.correlation != instance.id) {
      wanted.emplace(journal::RowName{.key = alias_key(fact.correlation), .row = instance.id}, "");
    }
  }
  wanted.emplace(journal::RowName{.key = state_key(must.state), .row = timed_name(changed, instance.id)}, "");
  std::int64_t due = 0;
  for (const ExpectedWait& wait : must.waits) {
    if (wait.due_ms != 0 && wait.told_ms == 0) {
      due = due == 0 ? wait.due_ms : std::min(due, wait.due_ms);
    }
  }
  if (due != 0) {
    wanted.emplace(journal::RowName{.key = std::string(kDueKey), .row = timed_name(due, instance.id)}, "");
  }
}

// What was reached.
void ChoreographyWorld::note_instance(const Instance& instance) {
  const auto count = [&](bool is, Reached what) {
    if (is) {
      coverage_.count(what);
    }
  };
  std::set<std::size_t> open;
  for (const Wait& wait : instance.waits) {
    count(!open.insert(wait.expectation).second, Reached::two_waits);
    const Expectation& expectation = choreography_->expect[wait.expectation];
    count(expectation.all && wait.missing.size() < expectation.topics.size(), Reached::fulfilled_partly);
  }
  bool fulfilled = false;
  for (const InstanceEvent& event : instance.events) {
    count(event.late, Reached::late);
    count(event.unexpected, Reached::unexpected);
    count(!event.dead.empty(), Reached::dead_linked);
    fulfilled = fulfilled || (!event.unexpected && event.topic != choreography_->start && event.topic != "n");
  }
  count(fulfilled && !choreography_->expect.empty(), Reached::fulfilled);
  count(instance.dead > 0 && instance.left_out > 0, Reached::dead_unlinked);
  count(!instance.correlations.empty(), Reached::alias);
  count(instance.depth > 5, Reached::deep);
  const std::size_t told = static_cast<std::size_t>(
      std::ranges::count_if(instance.waits, [](const Wait& wait) { return wait.told_ms != 0; }));
  count(instance.told > told, Reached::told_too_late);
  const auto before = states_.find(instance.id);
  const bool had_ended = before != states_.end() &&
                         (before->second == InstanceState::ok || before->second == InstanceState::undone);
  count(instance.state == InstanceState::ok, Reached::ended_ok);
  count(instance.state == InstanceState::undone, Reached::ended_undone);
  count(had_ended && instance.state == InstanceState::open, Reached::reopened);
  states_[instance.id] = instance.state;
}

}  // namespace flotilla::events::simulation
