// Steps of the demo's tour with events: the choreographed order, the view, the queue for later.
#pragma once

#include "flotilla/app/demo_step.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::app {

// An order by a command, and its writer's own read.
[[nodiscard]] net::Task<bool> commands(const Tour& tour);
// That order and a dear one as events, and what the services make of it without anybody telling them.
[[nodiscard]] net::Task<bool> choreographs(const Tour& tour);

// The copy of that view in Redis, with its hour of life.
[[nodiscard]] net::Task<bool> keeps_copies(const Tour& tour);

// While payment is away: charges are taken for later at once. Gives how many were; 0 if that failed.
[[nodiscard]] net::Task<std::size_t> takes_for_later(const Tour& tour);
// Once it is back: each is made, once.
[[nodiscard]] net::Task<bool> drains(const Tour& tour, std::size_t taken);

}  // namespace flotilla::app
