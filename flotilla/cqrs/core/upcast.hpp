// Bringing old events to the newest form of their type before they are folded; what is kept is never changed.
//
// For: aggregate_fold.hpp. An event says in its attribute `dataversion` which form its data has; without one
// it is the first. The functions of a type follow each other: the first makes the second form of the first.
// New events are written in the newest form. Ownership: values. Threads: pure functions. Limits: kMaxUpcasts
// of a type.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/core/row_fold.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::cqrs {

inline constexpr std::string_view kDataVersion = "dataversion";
inline constexpr std::size_t kMaxUpcasts = 32;

// The data in the next form. Errors in words.
using Upcast = std::function<std::expected<json::Value, std::string>(const EventValues& event)>;
// Of each type that has more forms than one, in the order of its forms.
using Upcasts = std::map<std::string, std::vector<Upcast>, std::less<>>;

// Which form events of that type are written in, from 1.
[[nodiscard]] std::uint64_t newest_form(const Upcasts& upcasts, std::string_view type);

// Brings the data to the newest form, as `$event` and as `$data`. Errors, in words: a form that is not known
// (a newer file wrote it), or a function that fails.
[[nodiscard]] std::expected<void, std::string> bring_up(const Upcasts& upcasts, EventValues& event);

}  // namespace flotilla::cqrs
