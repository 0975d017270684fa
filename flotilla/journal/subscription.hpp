// A subscription: a reader of one category or class that remembers, under a name, how far it has come.
//
// For: push subscriptions, projections, bridges. It reads pages in order, from memory where it keeps up, and
// waits when there is nothing. It saves nothing by itself: put cursor() into the batch that records what the
// events have caused, and both are kept or neither; or append a batch with the cursor alone.
// Ownership: the journal must outlive it. Threads: one loop. Limits: those of a page.
#pragma once

#include <string>
#include <utility>

#include "flotilla/journal/journal.hpp"

namespace flotilla::journal {

class Subscription {
 public:
  // Loads what was saved under `name`, or begins at `from`. Errors: those of reads; conflict when the saved
  // cursor belongs to another class or category.
  [[nodiscard]] static net::Task<Result<Subscription>> open(Journal& journal, std::string name,
                                                            RecordClass record_class, std::string category,
                                                            Position from);

  // The records after position(), which moves behind them. Waits for the first until `deadline`; an empty
  // page means that it has passed. Errors: those of reads and of wait(); position() stays.
  [[nodiscard]] net::Task<Result<Page>> next(Instant deadline, PageLimits limits = {});

  [[nodiscard]] Position position() const noexcept { return cursor_.position; }
  // The owner's own state, as saved last.
  [[nodiscard]] const std::string& state() const noexcept { return cursor_.state; }

  // What to save: everything up to `settled` needs no further delivery.
  [[nodiscard]] Cursor cursor(Position settled, std::string state = {}) const;
  // Goes on from there instead.
  void seek(Position position) noexcept { cursor_.position = position; }

 private:
  Subscription(Journal& journal, Cursor cursor) : journal_(&journal), cursor_(std::move(cursor)) {}

  Journal* journal_;
  Cursor cursor_;
};

}  // namespace flotilla::journal
