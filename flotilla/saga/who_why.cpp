#include "flotilla/saga/who_why.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/text.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> invalid(std::string detail) {
  return std::unexpected(SagaProblem{.reason = Reason::invalid, .detail = std::move(detail)});
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

Asked<std::monostate> take(const json::Value& body, std::string_view member, std::size_t most,
                           std::string& into) {
  const json::Value* const value = body.find(member);
  if (value == nullptr) {
    return {};
  }
  if (!value->is_string() || value->as_string().empty() || value->as_string().size() > most ||
      std::ranges::any_of(value->as_string(), is_control)) {
    return invalid(
        fmt::format("{}: expected a text of 1 to {} bytes without control characters", member, most));
  }
  into = value->as_string();
  return {};
}

}  // namespace

Asked<std::monostate> read_who_why(const json::Value& body, WhoWhy& into) {
  if (!body.is_object()) {
    return invalid("the body is no object; expected {\"who\": ..., \"why\": ...}");
  }
  if (auto who = take(body, "who", kMaxWho, into.who); !who) {
    return who;
  }
  return take(body, "why", kMaxWhy, into.why);
}

Asked<std::monostate> refuse_other_members(const json::Value& body,
                                           std::initializer_list<std::string_view> known) {
  const std::vector<std::string_view> names(known);
  for (const json::Member& member : body.members()) {
    if (std::ranges::find(names, member.key()) != names.end()) {
      continue;
    }
    const auto hint = nearest(member.key(), names);
    return invalid(
        hint ? fmt::format("unknown member \"{}\"; did you mean \"{}\"?", member.key(), *hint)
             : fmt::format("unknown member \"{}\"; known are {}", member.key(), fmt::join(names, ", ")));
  }
  return {};
}

std::string correlation_of(std::string_view header) {
  const bool plain = header.size() <= kMaxCorrelation &&
                     std::ranges::all_of(header, [](char c) { return c > ' ' && c < '\x7f'; });
  return std::string(plain ? header : std::string_view());
}

}  // namespace flotilla::saga
