#include "flotilla/json/schema/validator.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/schema/excerpt.hpp"
#include "flotilla/json/schema/messages.hpp"
#include "flotilla/json/schema/pointer.hpp"
#include "flotilla/json/schema/unique.hpp"

namespace flotilla::json::schema {
namespace {

// In code points, of well-formed UTF-8.
std::uint64_t length_of(std::string_view text) noexcept {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

bool is_scalar(const Value& value) noexcept { return !value.is_array() && !value.is_object(); }

}  // namespace

std::string Validator::Place::pointer() const {
  std::string out = parent == nullptr ? "" : parent->pointer();
  if (key != nullptr) {
    append_token(out, excerpt(key->as_string()));
  } else if (parent != nullptr) {
    append_token(out, index);
  }
  return out;
}

template <class Message>
bool Validator::fail(const Site& site, Message&& message) {
  if (report_ == nullptr) {
    return false;
  }
  ++report_->total;
  report_->depth = std::max(report_->depth, site.place.depth);
  if (report_->first.size() < report_->room) {
    std::string schema_path = program_.pointer(site.node);
    if (!site.keyword.empty()) {
      append_token(schema_path, site.keyword);
    }
    report_->first.push_back({.instance_path = site.place.pointer(),
                              .schema_path = std::move(schema_path),
                              .message = std::forward<Message>(message)()});
  }
  return false;
}

void Validator::stop(NodeIndex node, const Place& place, std::string message) {
  if (!stopped_) {
    stopped_ = Violation{.instance_path = place.pointer(),
                         .schema_path = program_.pointer(node),
                         .message = std::move(message)};
  }
}

bool Validator::spend(const Site& site, std::uint64_t steps) {
  if (stopped_) {
    return false;
  }
  if (steps >= steps_) {
    steps_ = 0;
    stop(site.node, site.place, "could not be judged within the steps allowed");
    return false;
  }
  steps_ -= steps;
  return true;
}

bool Validator::apply(NodeIndex node, const Value& value, const Place& place) {
  const std::uint64_t steps = is_scalar(value) ? 1 + value.text_size() / 64 : 1;
  if (!spend({.node = node, .keyword = "", .value = value, .place = place}, steps)) {
    return false;
  }
  if (level_ == ValidationLimits::kLevels) {
    stop(node, place, fmt::format("could not be judged within {} levels", ValidationLimits::kLevels));
    return false;
  }
  ++level_;
  const Kinds kind = kind_bit(value.kind());
  const Node& n = program_.nodes[node];
  bool ok = true;
  for (std::uint32_t i = n.first_rule; i < n.first_rule + n.rule_count; ++i) {
    const Rule& rule = program_.rules[i];
    if ((rule.kinds & kind) == 0) {
      continue;
    }
    const Site site{.node = node, .keyword = rule.keyword, .value = value, .place = place};
    if (!std::visit([&](const auto& check_rule) { return check(check_rule, site); }, rule.check)) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  --level_;
  return ok;
}

bool Validator::matches(NodeIndex node, const Value& value, const Place& place) {
  Report* report = std::exchange(report_, nullptr);
  const bool ok = apply(node, value, place);
  report_ = report;
  return ok;
}

bool Validator::check(const Nothing& /*rule*/, const Site& site) {
  return fail(site, [] { return "is not allowed"; });
}

bool Validator::check(const Types& rule, const Site& site) {
  const bool ok = (rule.kinds & kind_bit(site.value.kind())) != 0 ||
                  (rule.integers && site.value.is_number() && is_integral(site.value.number_text()));
  return ok || fail(site, [&] { return describe(rule, site.value); });
}

bool Validator::check(const OneOfValues& rule, const Site& site) {
  for (const Value& value : rule.values) {
    if (!spend(site, comparison_steps(value, site.value))) {
      return false;
    }
    if (value == site.value) {
      return true;
    }
  }
  return fail(site, [&] { return describe(rule); });
}

bool Validator::check(const Bound& rule, const Site& site) {
  const auto order = compare_numbers(site.value.number_text(), rule.limit.number_text());
  bool ok = false;
  switch (rule.is) {
    case Bound::Is::at_least:
      ok = order >= 0;
      break;
    case Bound::Is::above:
      ok = order > 0;
      break;
    case Bound::Is::at_most:
      ok = order <= 0;
      break;
    case Bound::Is::below:
      ok = order < 0;
      break;
  }
  return ok || fail(site, [&] { return describe(rule); });
}

bool Validator::check(const MultipleOf& rule, const Site& site) {
  return rule.divisor.divides(site.value.number_text()) ||
         fail(site, [&] { return fmt::format("must be a multiple of {}", excerpt(rule.written)); });
}

bool Validator::check(const Size& rule, const Site& site) {
  const std::uint64_t size = site.value.is_string() ? length_of(site.value.as_string()) : site.value.size();
  return (rule.is_most ? size <= rule.limit : size >= rule.limit) ||
         fail(site, [&] { return describe(rule, site.value.kind(), size); });
}

bool Validator::check(const Matches& rule, const Site& site) {
  return spend(site, rule.pattern.steps(site.value.as_string().size())) &&
         (rule.pattern.found_in(site.value.as_string()) ||
          fail(site, [&] { return fmt::format("must match the pattern {}", excerpt(rule.pattern.text())); }));
}

bool Validator::check(const HasFormat& rule, const Site& site) {
  return rule.format->check(site.value.as_string()) ||
         fail(site, [&] { return fmt::format("must be {}", rule.format->describe); });
}

bool Validator::check(const Unique& /*rule*/, const Site& site) {
  const auto equal = find_equal(site.value.items(), steps_);
  if (!spend(site, 0)) {
    return false;
  }
  return !equal || fail(site, [&] {
    return fmt::format("must have different elements; {} and {} are equal", equal->first, equal->second);
  });
}

bool Validator::check(const Items& rule, const Site& site) {
  const auto items = site.value.items();
  bool ok = true;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const NodeIndex node = i < rule.first.size() ? rule.first[i] : rule.rest;
    if (node == kNone) {
      break;
    }
    if (!apply(node, items[i], site.place.element(i))) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check(const Contains& rule, const Site& site) {
  const auto items = site.value.items();
  const bool no_most = rule.most == std::numeric_limits<std::uint64_t>::max();
  std::uint64_t matching = 0;
  for (std::size_t i = 0; i < items.size() && !(no_most && matching >= rule.least); ++i) {
    matching += matches(rule.node, items[i], site.place.element(i)) ? 1 : 0;
    if (stopped_) {
      return false;
    }
  }
  if (matching >= rule.least && matching <= rule.most) {
    return true;
  }
  const bool few = matching < rule.least;
  const std::string_view keyword = !few ? "maxContains" : rule.least == 1 ? "contains" : "minContains";
  return fail({.node = site.node, .keyword = keyword, .value = site.value, .place = site.place},
              [&] { return describe(rule, matching); });
}

bool Validator::check(const Required& rule, const Site& site) {
  if (!spend(site, rule.names.size())) {
    return false;
  }
  bool ok = true;
  for (const std::string& name : rule.names) {
    if (site.value.find(name) == nullptr) {
      ok = fail(site, [&] { return fmt::format("must have the property \"{}\"", excerpt(name)); });
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check(const DependentRequired& rule, const Site& site) {
  bool ok = true;
  for (const auto& [present, names] : rule.names) {
    if (!spend(site, 1 + names.size())) {
      return false;
    }
    if (site.value.find(present) == nullptr) {
      continue;
    }
    for (const std::string& name : names) {
      if (site.value.find(name) == nullptr) {
        ok = fail(site, [&] {
          return fmt::format("must have the property \"{}\" beside \"{}\"", excerpt(name), excerpt(present));
        });
      }
    }
  }
  return ok;
}

bool Validator::check(const DependentSchemas& rule, const Site& site) {
  bool ok = true;
  for (const auto& [present, node] : rule.nodes) {
    if (!spend(site, 1)) {
      return false;
    }
    if (site.value.find(present) != nullptr && !apply(node, site.value, site.place)) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check(const Properties& rule, const Site& site) {
  bool ok = true;
  for (const Member& member : site.value.members()) {
    if (!check_member(rule, site, member)) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check_member(const Properties& rule, const Site& site, const Member& member) {
  const std::string_view name = member.key();
  const Place place = site.place.member(member.name);
  if (!spend(site, 1)) {
    return false;
  }
  bool ok = true;
  bool known = false;
  const auto named = std::ranges::lower_bound(rule.named, name, {},
                                              [](const auto& p) -> std::string_view { return p.first; });
  if (named != rule.named.end() && named->first == name) {
    known = true;
    ok = apply(named->second, member.value, place);
  }
  for (const auto& [pattern, node] : rule.patterns) {
    if ((ok || goes_on()) && spend(site, pattern.steps(name.size())) && pattern.found_in(name)) {
      known = true;
      ok = apply(node, member.value, place) && ok;
    }
  }
  if (known || rule.additional == kNone || stopped_) {
    return ok && !stopped_;
  }
  if (is_nothing(rule.additional)) {
    return fail({.node = rule.additional, .keyword = "", .value = member.value, .place = place},
                [&] { return describe_unknown(rule, name); });
  }
  return apply(rule.additional, member.value, place);
}

bool Validator::is_nothing(NodeIndex node) const {
  const Node& n = program_.nodes[node];
  return n.rule_count == 1 && std::holds_alternative<Nothing>(program_.rules[n.first_rule].check);
}

bool Validator::check(const Names& rule, const Site& site) {
  bool ok = true;
  for (const Member& member : site.value.members()) {
    if (!apply(rule.node, member.name, site.place.member(member.name))) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check(const AllOf& rule, const Site& site) {
  bool ok = true;
  for (const NodeIndex node : rule.nodes) {
    if (!apply(node, site.value, site.place)) {
      ok = false;
      if (!goes_on()) {
        break;
      }
    }
  }
  return ok;
}

bool Validator::check(const AnyOf& rule, const Site& site) {
  return std::ranges::any_of(rule.nodes,
                             [&](NodeIndex node) { return matches(node, site.value, site.place); }) ||
         (goes_on() && fail_alternatives(rule.nodes, site));
}

bool Validator::check(const OneOf& rule, const Site& site) {
  std::size_t matched[2] = {};
  std::size_t count = 0;
  for (std::size_t i = 0; i < rule.nodes.size() && count < 2; ++i) {
    if (matches(rule.nodes[i], site.value, site.place)) {
      matched[count++] = i;
    }
  }
  if (stopped_ || count == 1) {
    return !stopped_;
  }
  if (count == 0) {
    return goes_on() && fail_alternatives(rule.nodes, site);
  }
  return fail(site, [&] {
    return fmt::format("must match one alternative only, matches {} and {}", matched[0], matched[1]);
  });
}

bool Validator::fail_alternatives(const std::vector<NodeIndex>& nodes, const Site& site) {
  Report* report = report_;
  Report nearest{.room = 0};
  std::size_t which = 0;
  for (std::size_t i = 0; i < nodes.size() && !stopped_; ++i) {
    Report faults{.room = report->room};
    report_ = &faults;
    static_cast<void>(apply(nodes[i], site.value, site.place));
    if (i == 0 || faults.depth > nearest.depth ||
        (faults.depth == nearest.depth && faults.total < nearest.total)) {
      nearest = std::move(faults);
      which = i;
    }
  }
  report_ = report;
  fail(site, [&] {
    return nodes.size() == 1 ? std::string("matches not even its one alternative")
                             : fmt::format("matches none of {} alternatives; what follows is about {}",
                                           nodes.size(), which);
  });
  for (Violation& violation : nearest.first) {
    if (report->first.size() < report->room) {
      report->first.push_back(std::move(violation));
    }
  }
  report->total += nearest.total;
  report->depth = std::max(report->depth, nearest.depth);
  return false;
}

bool Validator::check(const Not& rule, const Site& site) {
  const bool matched = matches(rule.node, site.value, site.place);
  if (stopped_) {
    return false;
  }
  return !matched || fail(site, [] { return "must not match"; });
}

bool Validator::check(const If& rule, const Site& site) {
  const bool holds = matches(rule.condition, site.value, site.place);
  const NodeIndex node = holds ? rule.then : rule.otherwise;
  return !stopped_ && (node == kNone || apply(node, site.value, site.place));
}

}  // namespace flotilla::json::schema
