// Where transactions are kept, for whoever shows them or watches what is due: the rows of choreographies.
//
// For: the correlation API and the watch, which belong to the events; `app` gives them the projections that
// keep the rows. Ownership: whoever gives it owns it; it outlives those who ask. Threads: any loop's. Limits:
// those of journal::RowQuery.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flotilla/events/core/choreography.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/journal/core/fold_row.hpp"
#include "flotilla/journal/core/read_token.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::events {

struct InstanceQuery {
  std::string key;                     // as in core/choreography_fold.hpp
  std::optional<std::string> after{};  // the name of a row; exclusive
  std::size_t rows = 100;
};
struct InstancePage {
  std::vector<journal::FoldRow> rows;
  bool at_end = true;
  journal::ReadToken position;  // all events up to here are in them
};

class InstanceRows {
 public:
  InstanceRows() = default;
  InstanceRows(const InstanceRows&) = delete;
  InstanceRows& operator=(const InstanceRows&) = delete;
  virtual ~InstanceRows() = default;

  // Those of the file, in the order of their names.
  [[nodiscard]] virtual std::vector<ChoreographyPtr> choreographies() const = 0;
  // In the order of their names. Errors: behind (it is being built for the first time), store_unavailable,
  // overloaded, draining, not_found.
  [[nodiscard]] virtual net::Task<Asked<InstancePage>> rows(std::string choreography,
                                                            InstanceQuery query) = 0;
  // Until all events up to `position` are in the rows: then nothing; else why not.
  [[nodiscard]] virtual net::Task<Asked<Done>> await(std::string choreography, journal::Position position,
                                                     Instant deadline) = 0;
  // Until events beyond `seen` are in the rows.
  [[nodiscard]] virtual net::Task<Asked<Done>> await_more(std::string choreography, journal::ReadToken seen,
                                                          Instant deadline) = 0;
  // The shard in whose lease this process follows that choreography; nothing: another process does, or none
  // yet.
  [[nodiscard]] virtual std::optional<std::uint32_t> seat(std::string_view choreography) const = 0;
};

}  // namespace flotilla::events
