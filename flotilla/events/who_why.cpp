#include "flotilla/events/who_why.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

}  // namespace

Asked<std::string> take_text(const json::Value& body, std::string_view member, std::size_t most,
                             bool required) {
  const json::Value* const value = body.find(member);
  if (value == nullptr && !required) {
    return std::string();
  }
  if (value == nullptr) {
    return refuse(Reason::invalid, fmt::format("\"{}\" is missing: who does it, and why, is kept", member));
  }
  if (!value->is_string() || value->as_string().empty() || value->as_string().size() > most ||
      std::ranges::any_of(value->as_string(), is_control)) {
    return refuse(
        Reason::invalid,
        fmt::format("{}: expected a text of 1 to {} bytes without control characters", member, most));
  }
  return std::string(value->as_string());
}

Asked<json::Value> read_members(std::string_view text, std::initializer_list<std::string_view> known) {
  auto body = json::parse(text);
  if (!body) {
    return refuse(Reason::malformed, "the body is not JSON: " + body.error().message);
  }
  if (!body->is_object()) {
    return refuse(Reason::invalid, "the body is no object; expected {\"who\": ..., \"why\": ...}");
  }
  const std::vector<std::string_view> names(known);
  for (const json::Member& member : body->members()) {
    if (std::ranges::find(names, member.key()) == names.end()) {
      const auto hint = nearest(member.key(), names);
      return refuse(Reason::invalid, hint ? fmt::format("unknown member \"{}\"; did you mean \"{}\"?",
                                                        member.key().substr(0, 64), *hint)
                                          : fmt::format("unknown member \"{}\"; known are {}",
                                                        member.key().substr(0, 64), fmt::join(names, ", ")));
    }
  }
  return *std::move(body);
}

Asked<WhoWhy> read_who_why(std::string_view text) {
  const auto body = read_members(text, {"who", "why"});
  if (!body) {
    return std::unexpected(body.error());
  }
  auto who = take_text(*body, "who", kMaxWho, true);
  auto why = take_text(*body, "why", kMaxWhy, true);
  if (!who || !why) {
    return std::unexpected(!who ? who.error() : why.error());
  }
  return WhoWhy{.who = *std::move(who), .why = *std::move(why)};
}

}  // namespace flotilla::events
