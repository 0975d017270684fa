#include "flotilla/journal/subscription.hpp"

#include <fmt/format.h>

namespace flotilla::journal {

net::Task<Result<Subscription>> Subscription::open(Journal& journal, std::string name,
                                                   RecordClass record_class, std::string category,
                                                   Position from) {
  auto saved = co_await journal.cursor(name);
  if (!saved) {
    co_return std::unexpected(std::move(saved.error()));
  }
  Cursor cursor{std::move(name), record_class, std::move(category), from, {}};
  if (*saved) {
    Cursor& known = **saved;
    if (known.record_class != record_class || known.category != cursor.category) {
      co_return fail(Errc::conflict,
                     fmt::format("the cursor \"{}\" belongs to {} \"{}\", not to {} \"{}\": give the "
                                 "subscription another name, or delete the old one",
                                 known.name, to_string(known.record_class), known.category,
                                 to_string(record_class), cursor.category));
    }
    cursor = std::move(known);
  }
  co_return Subscription(journal, std::move(cursor));
}

net::Task<Result<Page>> Subscription::next(Instant deadline, PageLimits limits) {
  while (true) {
    auto page = co_await journal_->read(
        CategoryQuery{cursor_.record_class, cursor_.category, cursor_.position, limits});
    if (!page) {
      co_return page;
    }
    cursor_.position = page->next;
    if (!page->records.empty()) {
      co_return page;
    }
    const auto more =
        co_await journal_->wait(cursor_.record_class, cursor_.category, cursor_.position, deadline);
    if (!more) {
      co_return std::unexpected(more.error());
    }
    if (!*more) {
      co_return page;
    }
  }
}

Cursor Subscription::cursor(Position settled, std::string state) const {
  Cursor saved = cursor_;
  saved.position = settled;
  saved.state = std::move(state);
  return saved;
}

}  // namespace flotilla::journal
