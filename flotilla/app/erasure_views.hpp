// How erasure has views built anew: what a subject's events made of their rows is gone with the old version.
//
// For: platform.cpp. Ownership: the runner outlives what is made of it. Threads: the control thread's loop.
// Limits: those of views.
#pragma once

#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/events/erasure.hpp"

namespace flotilla::app {

[[nodiscard]] events::Erasure::Rebuild rebuild_views(cqrs::ViewRunner& runner);

}  // namespace flotilla::app
