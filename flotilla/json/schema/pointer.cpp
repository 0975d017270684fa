#include "flotilla/json/schema/pointer.hpp"

#include "flotilla/base/text.hpp"

namespace flotilla::json::schema {

void append_token(std::string& pointer, std::string_view token) {
  pointer += '/';
  for (const char c : token) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

void append_token(std::string& pointer, std::size_t index) {
  pointer += '/';
  pointer += std::to_string(index);
}

std::optional<std::string> take_token(std::string_view& pointer) {
  if (!pointer.starts_with('/')) {
    return std::nullopt;
  }
  pointer.remove_prefix(1);
  std::string token;
  while (!pointer.empty() && pointer.front() != '/') {
    if (pointer.front() == '~') {
      pointer.remove_prefix(1);
      if (!pointer.starts_with('0') && !pointer.starts_with('1')) {
        return std::nullopt;
      }
      token += pointer.front() == '0' ? '~' : '/';
    } else {
      token += pointer.front();
    }
    pointer.remove_prefix(1);
  }
  return token;
}

const Value* step_into(const Value& value, std::string_view token) noexcept {
  if (value.is_object()) {
    return value.find(token);
  }
  const auto index = parse_int<std::size_t>(token);
  if (!index || *index >= value.items().size() || (token.size() > 1 && token.front() == '0')) {
    return nullptr;
  }
  return &value.items()[*index];
}

}  // namespace flotilla::json::schema
