#include "flotilla/cqrs/view_reader.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/cqrs/answer_body.hpp"
#include "flotilla/cqrs/core/page_token.hpp"
#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

constexpr Duration kSoon = std::chrono::seconds(1);
// How old what a follower found may be, and how long a reader waits for it to look again.
constexpr Duration kLookAge = std::chrono::seconds(1);
constexpr Duration kLookWait = std::chrono::seconds(2);
constexpr int kVersions = 5;  // that may go while one answer is made

std::unexpected<Refusal> refusal_of(const Error& error) {
  return refuse(error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable, error.message,
                kSoon);
}

std::unexpected<Refusal> stops() { return refuse(Reason::draining, "this process stops", kSoon); }

std::unexpected<Refusal> not_built(const View& view) {
  const std::string trouble = view.trouble();
  return refuse(Reason::behind,
                trouble.empty() ? fmt::format("view {} is being built, and cannot be read yet", view.name())
                                : fmt::format("view {} cannot be read: {}", view.name(), trouble),
                kSoon);
}

// What is read here may be read in Redis next, where its copy may have ended.
void offer_copy(View& view, Serving& serving, const std::string& key) {
  const Duration every = view.offers_every();
  if (every > Duration::zero() && serving.is_copy_due(key, net::Loop::current()->now(), every)) {
    view.offer(key);
  }
}

std::unexpected<Refusal> changes_too_fast(const View& view) {
  return refuse(Reason::behind, fmt::format("versions of view {} follow each other too fast", view.name()),
                kSoon);
}

}  // namespace

net::Task<Asked<ViewAnswer>> ViewReader::read(ViewAsk ask) {
  const ViewPtr view = runner_.find(ask.view);
  if (view == nullptr) {
    co_return refuse(Reason::not_found, fmt::format("the file names no view '{}'; declare it under `views:`",
                                                    ask.view.substr(0, kMaxViewName)));
  }
  bool stale = false;
  if (ask.read_after) {
    const auto come = co_await await_positions(*view, ask);
    if (!come) {
      co_return std::unexpected(come.error());
    }
    stale = !*come;
  }
  auto answer = ask.key ? co_await read_key(*view, ask) : co_await read_page(*view, ask);
  if (answer) {
    answer->stale = stale;
  }
  co_return answer;
}

// False: it has not come so far, and the asker takes what there is.
net::Task<Asked<bool>> ViewReader::await_positions(View& view, const ViewAsk& ask) {
  const Instant deadline = saturating_add(net::Loop::current()->now(), ask.wait);
  for (std::uint32_t shard = 0; shard < ask.read_after->shards(); ++shard) {
    const journal::Position wanted = ask.read_after->at(shard);
    if (wanted.number() == 0) {
      continue;
    }
    const auto come = co_await await_position(view, wanted, ask, deadline);
    if (!come || !*come) {
      co_return come;
    }
  }
  co_return true;
}

net::Task<Asked<bool>> ViewReader::await_position(View& view, journal::Position wanted, const ViewAsk& ask,
                                                  Instant deadline) {
  const std::uint32_t shards = [&] {
    const ViewRunner::Use journal(runner_);
    return journal ? journal->shards() : 0;
  }();
  if (shards == 0) {
    co_return stops();
  }
  if (wanted.shard() >= shards) {
    co_return refuse(Reason::malformed,
                     fmt::format("Read-After: '{}' is no Position that an answer named", wanted.text()));
  }
  const auto not_there = [&] {
    view.reads().behind.fetch_add(1, std::memory_order_relaxed);
    return refuse(
        Reason::behind,
        fmt::format("Read-After: the journal has not come to {}: it is a position of another one, or "
                    "newer than its backup",
                    wanted.text()),
        kSoon);
  };
  // Of a journal that others write, too, it is known a little later.
  const auto written = [&] {
    const ViewRunner::Use journal(runner_);
    return !journal || journal->position(wanted.shard()).covers(wanted);
  };
  if (runner_.is_alone() && !written()) {
    co_return not_there();
  }
  const auto come = co_await view.wait(wanted, deadline);
  if (!come) {
    co_return refuse(
        Reason::overloaded,
        fmt::format("{} readers of view {} wait already, no more can", View::kMaxWaiting, view.name()),
        kSoon);
  }
  if (*come || (ask.stale_ok && view.serving() != nullptr)) {
    co_return *come;
  }
  if (!written()) {
    co_return not_there();
  }
  view.reads().behind.fetch_add(1, std::memory_order_relaxed);
  const ServingPtr serving = view.serving();
  if (serving == nullptr) {
    co_return not_built(view);
  }
  const std::string trouble = view.trouble();
  co_return refuse(Reason::behind,
                   fmt::format("view {} has come to {} and not to {} within {}{}{}", view.name(),
                               serving->position().text(), wanted.text(), show_duration(ask.wait),
                               trouble.empty() ? "" : ": ", trouble),
                   kSoon);
}

std::optional<ViewAnswer> ViewReader::from_memory(std::string_view name, const std::string& key) {
  const ViewPtr view = runner_.find(name);
  const ServingPtr serving = view == nullptr || !runner_.runs(*view) ? nullptr : view->serving();
  return serving == nullptr ? std::nullopt : from_memory(*view, *serving, key);
}

// Its position is read before the answer: what is kept there is never older than that.
std::optional<ViewAnswer> ViewReader::from_memory(View& view, Serving& serving, const std::string& key) {
  ViewAnswer answer{.body = nullptr,
                    .position = serving.position(),
                    .behind_since_ms = serving.behind_since_ms(),
                    .stale = false,
                    .next = {}};
  auto known = serving.find(key);
  if (!known) {
    return std::nullopt;
  }
  view.reads().from_memory.fetch_add(1, std::memory_order_relaxed);
  answer.body = std::move(*known);
  offer_copy(view, serving, key);
  return answer;
}

net::Task<Asked<ViewReader::Source>> ViewReader::source(View& view) {
  if (view.serving() == nullptr && runner_.has_lease(view)) {
    co_return not_built(view);
  }
  if (!runner_.runs(view)) {
    const Instant now = net::Loop::current()->now();
    const auto looked = co_await view.wait_for_look(now - kLookAge, saturating_add(now, kLookWait));
    if (!looked.value_or(false)) {
      co_return refuse(Reason::store_unavailable,
                       fmt::format("another process runs view {}, and how far it has come cannot be read now",
                                   view.name()),
                       kSoon);
    }
  }
  Source found{.serving = view.serving(), .here = runner_.runs(view), .answer = {}};
  if (found.serving == nullptr) {
    co_return not_built(view);
  }
  found.answer.position = found.serving->position();
  found.answer.behind_since_ms = found.serving->behind_since_ms();
  co_return found;
}

net::Task<Asked<std::optional<journal::RowPage>>> ViewReader::rows(View& view, Source& source,
                                                                   journal::RowQuery query) {
  const ViewRunner::Use journal(runner_);
  if (!journal) {
    co_return stops();
  }
  query.table = source.serving->table();
  query.bytes = kMaxPageBytes;
  query.cursor = source.serving->cursor();
  auto page = co_await journal->rows(std::move(query));
  if (!page) {
    co_return refusal_of(page.error());
  }
  if (source.here && view.serving() != source.serving) {
    co_return std::nullopt;  // its rows may have been deleted meanwhile
  }
  if (!page->position && !runner_.is_alone()) {
    // Another process has put another version in its place.
    const Instant now = net::Loop::current()->now();
    (void)co_await view.wait_for_look(now, saturating_add(now, kLookWait));
    co_return std::nullopt;
  }
  if (page->position && runner_.is_alone()) {
    source.answer.position.advance_to(*page->position);
  }
  co_return std::move(*page);
}

net::Task<Asked<ViewAnswer>> ViewReader::read_key(View& view, const ViewAsk& ask) {
  for (int i = 0; i < kVersions; ++i) {
    auto from = co_await source(view);
    if (!from) {
      co_return std::unexpected(std::move(from.error()));
    }
    Serving& serving = *from->serving;
    const bool whole = !ask.limit && !ask.after;
    if (whole && from->here) {
      if (auto known = from_memory(view, serving, *ask.key)) {
        co_return std::move(*known);
      }
    }
    auto page =
        co_await rows(view, *from,
                      journal::RowQuery{.key = ask.key,
                                        .after = ask.after,
                                        .rows = serving.by_row() ? ask.limit.value_or(kMaxPageRows) : 1,
                                        .cursor = {}});
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    if (!*page) {
      continue;
    }
    const journal::RowPage& found = **page;
    view.reads().from_store.fetch_add(1, std::memory_order_relaxed);
    ViewAnswer& answer = from->answer;
    answer.body = body_of(found.rows, serving.by_row());
    if (!found.at_end && serving.by_row()) {
      answer.next = page_token(found.rows.back().name);
    }
    if (whole && from->here && !answer.next && found.position) {
      serving.keep(*ask.key, answer.body, answer.position);
      offer_copy(view, serving, *ask.key);
    }
    co_return std::move(answer);
  }
  co_return changes_too_fast(view);
}

net::Task<Asked<ViewAnswer>> ViewReader::read_page(View& view, const ViewAsk& ask) {
  for (int i = 0; i < kVersions; ++i) {
    auto from = co_await source(view);
    if (!from) {
      co_return std::unexpected(std::move(from.error()));
    }
    auto page = co_await rows(
        view, *from,
        journal::RowQuery{
            .key = {}, .after = ask.after, .rows = ask.limit.value_or(kDefaultPageRows), .cursor = {}});
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    if (!*page) {
      continue;
    }
    const journal::RowPage& found = **page;
    std::string body;
    json::Writer out(body);
    out.begin_object().key("items").begin_array();
    for (const journal::FoldRow& row : found.rows) {
      out.begin_object().key("key").value(row.name.key);
      if (from->serving->by_row()) {
        out.key("row").value(row.name.row);
      }
      out.key("value").raw(row.value).end();
    }
    out.end().key("next");
    if (found.at_end) {
      out.value(nullptr);
    } else {
      out.value(page_token(found.rows.back().name));
    }
    out.end();
    from->answer.body = std::make_shared<const Answer>(Answer{.json = std::move(body), .etag = {}});
    co_return std::move(from->answer);
  }
  co_return changes_too_fast(view);
}

net::Task<Asked<ViewRows>> ViewReader::read_rows(ViewPtr view, journal::RowQuery query) {
  for (int i = 0; i < kVersions; ++i) {
    auto from = co_await source(*view);
    if (!from) {
      co_return std::unexpected(std::move(from.error()));
    }
    auto page = co_await rows(*view, *from, query);
    if (!page) {
      co_return std::unexpected(std::move(page.error()));
    }
    if (*page) {
      co_return ViewRows{.page = std::move(**page), .position = std::move(from->answer.position)};
    }
  }
  co_return changes_too_fast(*view);
}

}  // namespace flotilla::cqrs
