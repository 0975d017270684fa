// An event as expressions see it: `$event`, with its data under `data`. Pure.
#pragma once

#include "flotilla/journal/core/event.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::journal {

[[nodiscard]] json::Value event_value(const Event& event, const json::Value& data);

}  // namespace flotilla::journal
