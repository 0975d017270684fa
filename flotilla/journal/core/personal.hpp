// What is personal in an event's data, and the event without it.
//
// For: the stores, which keep an event as its data without what is personal, and the data as it was, sealed
// under a key of the person it is about (key_vault.hpp): once that key is destroyed, the rest remains.
// Fields are named by paths of members, such as `.customer.email`. A field that is not there, or is null, is
// nothing personal. What cannot be told (data that is no JSON, or of nobody) is never kept readable: all of
// it counts as personal.
// Ownership: plain values. Threads: pure functions. Limits: below.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

inline constexpr std::size_t kMaxPersonalFields = 64;
inline constexpr std::size_t kMaxSubject = 256;  // bytes

// The members on the way, the outermost first.
using FieldPath = std::vector<std::string>;

// Of `.a.b`: letters, digits and '_'. Errors: invalid, with what is expected.
[[nodiscard]] Result<FieldPath> parse_field_path(std::string_view text);
[[nodiscard]] std::string to_string(const FieldPath& path);

struct PersonalFields {
  FieldPath subject;  // whom an event is about: a text or an integer
  std::vector<FieldPath> fields;
  friend bool operator==(const PersonalFields&, const PersonalFields&) = default;
};

struct Parted {
  std::string subject;  // empty: nobody can be told
  std::string rest;     // the data, null in place of what is personal
};

// Nothing: there is nothing personal in it.
[[nodiscard]] std::optional<Parted> part(const PersonalFields& personal, std::string_view data);

// Whom the data is about, as a text; empty: nobody.
[[nodiscard]] std::string subject_of(const PersonalFields& personal, std::string_view data);

// Data that says nothing but whom it is about: {"user": {"id": "7"}}.
[[nodiscard]] std::string data_about(const PersonalFields& personal, std::string_view subject);

}  // namespace flotilla::journal
