// What a violation says. Messages quote the schema and the sizes of the value, never what is in it, since
// they end up in answers and logs. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/json/schema/program.hpp"

namespace flotilla::json::schema {

// "must be integer or null, is string"
[[nodiscard]] std::string describe(const Types& rule, const Value& value);
// "must be "a", "b" or 3"
[[nodiscard]] std::string describe(const OneOfValues& rule);
// "must be at least 5"
[[nodiscard]] std::string describe(const Bound& rule);
// "must have at least 3 characters, has 2"
[[nodiscard]] std::string describe(const Size& rule, Kind kind, std::uint64_t size);
// "must contain at least 1 matching element, contains 0"
[[nodiscard]] std::string describe(const Contains& rule, std::uint64_t matching);
// "is not a known property; did you mean "amount"?"
[[nodiscard]] std::string describe_unknown(const Properties& rule, std::string_view name);

}  // namespace flotilla::json::schema
