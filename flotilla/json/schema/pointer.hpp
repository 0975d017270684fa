// JSON pointers (RFC 6901): building one, following one.
//
// Ownership: views into the argument. Threads: pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/json/value.hpp"

namespace flotilla::json::schema {

// Appends "/" and the token, its ~ and / escaped.
void append_token(std::string& pointer, std::string_view token);
void append_token(std::string& pointer, std::size_t index);

// Takes the first token, unescaped, off a pointer that is not empty; nothing where the pointer is malformed.
[[nodiscard]] std::optional<std::string> take_token(std::string_view& pointer);

// The member or element that the token names, or nullptr.
[[nodiscard]] const Value* step_into(const Value& value, std::string_view token) noexcept;

}  // namespace flotilla::json::schema
