#include "flotilla/journal/core/personal.hpp"

#include <algorithm>
#include <ranges>
#include <span>

#include <fmt/format.h>

#include "flotilla/json/reader.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::journal {
namespace {

using Rest = std::span<const std::string>;

constexpr std::size_t kMaxPath = 8;

bool is_name_character(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const json::Value* find(const json::Value& data, Rest path) {
  const json::Value* at = &data;
  for (const std::string& name : path) {
    at = at->is_object() ? at->find(name) : nullptr;
    if (at == nullptr) {
      return nullptr;
    }
  }
  return at;
}

json::Value without(const json::Value& data, Rest path) {
  if (path.empty()) {
    return {};
  }
  json::Value copy = data;
  copy.set(path.front(), without(data[path.front()], path.subspan(1)));
  return copy;
}

std::string subject_in(const PersonalFields& personal, const json::Value& data) {
  const json::Value* const found = find(data, personal.subject);
  std::string text;
  if (found != nullptr && found->is_string()) {
    text = found->as_string();
  } else if (found != nullptr && found->as_int()) {
    text = std::to_string(*found->as_int());
  }
  return text.size() <= kMaxSubject ? text : std::string();
}

}  // namespace

Result<FieldPath> parse_field_path(std::string_view text) {
  FieldPath path;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('.', 1), rest.size());
    const std::string_view name = rest.substr(1, end - 1);
    if (rest.front() != '.' || name.empty() || !std::ranges::all_of(name, is_name_character)) {
      path.clear();
      break;
    }
    path.emplace_back(name);
    rest.remove_prefix(end);
  }
  if (path.empty() || path.size() > kMaxPath) {
    return fail(
        Errc::invalid,
        fmt::format("'{}' is no path of members; expected one such as .email or .customer.email, of at "
                    "most {} names",
                    text.substr(0, kMaxSubject), kMaxPath));
  }
  return path;
}

std::string to_string(const FieldPath& path) {
  std::string text;
  for (const std::string& name : path) {
    text.append(".").append(name);
  }
  return text;
}

std::optional<Parted> part(const PersonalFields& personal, std::string_view data) {
  if (data.empty()) {
    return std::nullopt;
  }
  auto value = json::parse(data);
  if (!value) {
    return Parted{};
  }
  const std::string subject = subject_in(personal, *value);
  bool found = false;
  for (const FieldPath& path : personal.fields) {
    const json::Value* const field = find(*value, path);
    if (field != nullptr && !field->is_null()) {
      *value = without(*value, path);
      found = true;
    }
  }
  if (!found) {
    return std::nullopt;
  }
  return Parted{.subject = subject, .rest = json::write(*value)};
}

std::string subject_of(const PersonalFields& personal, std::string_view data) {
  const auto value = json::parse(data);
  return value ? subject_in(personal, *value) : std::string();
}

std::string data_about(const PersonalFields& personal, std::string_view subject) {
  json::Value data(subject);
  for (const std::string& name : std::views::reverse(personal.subject)) {
    data = json::Value::object({{name, data}});
  }
  return json::write(data);
}

}  // namespace flotilla::journal
