// Reading views: one key, or all rows a page at a time.
//
// For: the application API and the gateway's action; both ask and answer in the same words (view_answer.hpp).
// A hot key is answered from memory, without a turn of the loop; others from the store, and so is everything
// where another process runs the view. With `read_after` it waits until the view has come so far. Ownership:
// borrows the runner. Threads: any loop's. Limits: below; kMaxWaiting of view.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/cqrs/answer_body.hpp"
#include "flotilla/cqrs/refusal.hpp"
#include "flotilla/cqrs/view.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

class ViewRunner;

inline constexpr std::size_t kDefaultPageRows = 100;
inline constexpr Duration kDefaultWait = std::chrono::seconds(1);
inline constexpr Duration kMaxWait = std::chrono::seconds(10);

struct ViewAsk {
  std::string view;
  std::optional<std::string> key;  // nothing: all rows
  // Answer what is at least so new: a publication's position, or how far a view had come. Of kMaxShards.
  std::optional<journal::ReadToken> read_after;
  Duration wait = kDefaultWait;           // ... and wait so long for it
  bool stale_ok = false;                  // ... or give what there is
  std::optional<std::size_t> limit;       // rows; of one key: nothing is as many as fit
  std::optional<journal::RowName> after;  // the last row of the page before
};

struct ViewAnswer {
  AnswerBody body;              // JSON; null: there is nothing under the key
  journal::ReadToken position;  // at least so new
  std::int64_t behind_since_ms = 0;
  bool stale = false;  // it is not what `read_after` asked for
  // Of one key whose rows did not all fit.
  std::optional<std::string> next;
};

// Rows of a view as they lie in the store.
struct ViewRows {
  journal::RowPage page;
  journal::ReadToken position;  // at least so new
};

class ViewReader {
 public:
  explicit ViewReader(const ViewRunner& runner) noexcept : runner_(runner) {}

  // Errors: not_found (no such view), behind (not so far in time, or there is nothing to read yet),
  // overloaded, store_unavailable.
  [[nodiscard]] net::Task<Asked<ViewAnswer>> read(ViewAsk ask);
  // For who shows the rows in words of its own: `table` and `cursor` are the view's. Errors as read(), but
  // for not_found.
  [[nodiscard]] net::Task<Asked<ViewRows>> read_rows(ViewPtr view, journal::RowQuery query);
  // What read() would answer at once, without more than that it is asked; nothing: it has to look.
  [[nodiscard]] std::optional<ViewAnswer> from_memory(std::string_view view, const std::string& key);

 private:
  [[nodiscard]] static std::optional<ViewAnswer> from_memory(View& view, Serving& serving,
                                                             const std::string& key);
  [[nodiscard]] net::Task<Asked<bool>> await_positions(View& view, const ViewAsk& ask);
  [[nodiscard]] net::Task<Asked<bool>> await_position(View& view, journal::Position wanted,
                                                      const ViewAsk& ask, Instant deadline);
  [[nodiscard]] net::Task<Asked<ViewAnswer>> read_key(View& view, const ViewAsk& ask);
  [[nodiscard]] net::Task<Asked<ViewAnswer>> read_page(View& view, const ViewAsk& ask);
  // What is read, and how new it is at least; it is looked up before, where it is followed.
  struct Source {
    ServingPtr serving;
    bool here = true;  // this process runs the view
    ViewAnswer answer;
  };
  [[nodiscard]] net::Task<Asked<Source>> source(View& view);
  // Rows that belong together with the answer's position. Nothing: the version has gone meanwhile.
  [[nodiscard]] net::Task<Asked<std::optional<journal::RowPage>>> rows(View& view, Source& source,
                                                                       journal::RowQuery query);

  const ViewRunner& runner_;
};

}  // namespace flotilla::cqrs
