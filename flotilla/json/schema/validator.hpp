// One judgement of a value by a program.
//
// For: Schema::validate; nobody else. A first pass only answers, ends at the first fault and allocates
// nothing; where it says no, a second one goes on after faults and describes them.
// Ownership: views of the program and the value while it runs. Threads: one. Limits: ValidationLimits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/json/schema/program.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json::schema {

// Faults as they are found: the first ones described, all of them counted.
struct Report {
  std::size_t room;
  std::vector<Violation> first;
  std::size_t total = 0;
  std::size_t depth = 0;  // in the value, of the deepest fault
};

class Validator {
 public:
  // Without a report it only answers.
  Validator(const Program& program, std::uint64_t steps, Report* report = nullptr) noexcept
      : program_(program), steps_(steps), report_(report) {}

  [[nodiscard]] bool accepts(const Value& value) { return apply(0, value, Place{}); }
  // Where a bound was met; then accepts() has said false, and that means nothing.
  [[nodiscard]] const std::optional<Violation>& stopped() const noexcept { return stopped_; }

 private:
  // Where in the value: a chain on the stack, so that a path costs something only when it is told.
  struct Place {
    const Place* parent = nullptr;
    const Value* key = nullptr;  // or an index
    std::size_t index = 0;
    std::size_t depth = 0;

    [[nodiscard]] Place member(const Value& name) const { return {this, &name, 0, depth + 1}; }
    [[nodiscard]] Place element(std::size_t i) const { return {this, nullptr, i, depth + 1}; }
    [[nodiscard]] std::string pointer() const;
  };
  // A rule asked about a value.
  struct Site {
    NodeIndex node;
    std::string_view keyword;
    const Value& value;
    const Place& place;
  };

  [[nodiscard]] bool apply(NodeIndex node, const Value& value, const Place& place);
  // The same, without a report.
  [[nodiscard]] bool matches(NodeIndex node, const Value& value, const Place& place);
  [[nodiscard]] bool spend(const Site& site, std::uint64_t steps);
  void stop(NodeIndex node, const Place& place, std::string message);
  // After a fault: whether to look for more.
  [[nodiscard]] bool goes_on() const noexcept { return report_ != nullptr && !stopped_; }
  // Always false. `message` is made only where it is kept.
  template <class Message>
  bool fail(const Site& site, Message&& message);

  bool check(const Nothing& rule, const Site& site);
  bool check(const Types& rule, const Site& site);
  bool check(const OneOfValues& rule, const Site& site);
  bool check(const Bound& rule, const Site& site);
  bool check(const MultipleOf& rule, const Site& site);
  bool check(const Size& rule, const Site& site);
  bool check(const Matches& rule, const Site& site);
  bool check(const HasFormat& rule, const Site& site);
  bool check(const Unique& rule, const Site& site);
  bool check(const Items& rule, const Site& site);
  bool check(const Contains& rule, const Site& site);
  bool check(const Required& rule, const Site& site);
  bool check(const DependentRequired& rule, const Site& site);
  bool check(const DependentSchemas& rule, const Site& site);
  bool check(const Properties& rule, const Site& site);
  bool check(const Names& rule, const Site& site);
  bool check(const AllOf& rule, const Site& site);
  bool check(const AnyOf& rule, const Site& site);
  bool check(const OneOf& rule, const Site& site);
  bool check(const Not& rule, const Site& site);
  bool check(const If& rule, const Site& site);
  [[nodiscard]] bool check_member(const Properties& rule, const Site& site, const Member& member);
  [[nodiscard]] bool is_nothing(NodeIndex node) const;
  // None of them matched: says so, and why the one did not that came furthest into the value. Always false.
  bool fail_alternatives(const std::vector<NodeIndex>& nodes, const Site& site);

  const Program& program_;
  std::uint64_t steps_;
  Report* report_;
  std::size_t level_ = 0;
  std::optional<Violation> stopped_;
};

}  // namespace flotilla::json::schema
