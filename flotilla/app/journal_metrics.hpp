// A journal's counters on the page of metrics.
#pragma once

#include "flotilla/journal/journal.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::app {

void collect(const journal::Journal& journal, telemetry::MetricsPage& page);

}  // namespace flotilla::app
