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

}  // namespace

net::Task<Asked<ViewAnswer>> ViewReader::read(ViewAsk ask) {
  const ViewPtr view = runner_.find(ask.view);
  if (view == nullptr) {
    co_return refuse(Reason::not_found, fmt::format("the file names no view '{}'; declare it under `views:`",
                                                    ask.view.substr(0, kMaxViewName)));
  }
  bool stale = false;
  if (ask.read_after) {
    const auto come = co_await await_position(*view, ask);
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
net::Task<Asked<bool>> ViewReader::await_position(View& view, const ViewAsk& ask) {
  const journal::Position wanted = *ask.read_after;
  const auto end = [this]() -> std::optional<journal::Position> {
    const ViewRunner::Use journal(runner_);
    return journal ? std::optional(journal->position()) : std::nullopt;
  }();
  if (!end) {
    co_return stops();
  }
  if (!end->covers(wanted)) {
    view.reads().behind.fetch_add(1, std::memory_order_relaxed);
    co_return refuse(
        Reason::behind,
        fmt::format("Read-After: the journal has not come to {}: it is a position of another one, or "
                    "newer than its backup",
                    wanted.text()),
        kSoon);
  }
  const auto come =
      co_await view.wait(wanted.number(), saturating_add(net::Loop::current()->now(), ask.wait));
  if (!come) {
    co_return refuse(
        Reason::overloaded,
        fmt::format("{} readers of view {} wait already, no more can", View::kMaxWaiting, view.name()),
        kSoon);
  }
  if (*come || (ask.stale_ok && view.serving() != nullptr)) {
    co_return *come;
  }
  view.reads().behind.fetch_add(1, std::memory_order_relaxed);
  const ServingPtr serving = view.serving();
  if (serving == nullptr) {
    co_return not_built(view);
  }
  const std::string trouble = view.trouble();
  co_return refuse(Reason::behind,
                   fmt::format("view {} has come to {} and not to {} within {}{}{}", view.name(),
                               journal::Position(serving->position()).text(), wanted.text(),
                               show_duration(ask.wait), trouble.empty() ? "" : ": ", trouble),
                   kSoon);
}

net::Task<Asked<ViewAnswer>> ViewReader::read_key(View& view, const ViewAsk& ask) {
  for (;;) {
    const ServingPtr serving = view.serving();
    if (serving == nullptr) {
      co_return not_built(view);
    }
    ViewAnswer answer{.body = nullptr,
                      .position = serving->position(),
                      .behind_since_ms = serving->behind_since_ms(),
                      .stale = false,
                      .next = {}};
    const bool whole = !ask.limit && !ask.after;
    if (whole) {
      if (auto known = serving->find(*ask.key)) {
        view.reads().from_memory.fetch_add(1, std::memory_order_relaxed);
        answer.body = std::move(*known);
        offer_copy(view, *serving, *ask.key);
        co_return answer;
      }
    }
    const ViewRunner::Use journal(runner_);
    if (!journal) {
      co_return stops();
    }
    const auto page = co_await journal->rows(
        journal::RowQuery{.table = serving->table(),
                          .key = ask.key,
                          .after = ask.after,
                          .rows = serving->by_row() ? ask.limit.value_or(kMaxPageRows) : 1,
                          .bytes = kMaxPageBytes,
                          .cursor = serving->cursor()});
    if (!page) {
      co_return refusal_of(page.error());
    }
    if (view.serving() != serving) {
      continue;  // its rows may have been deleted meanwhile
    }
    view.reads().from_store.fetch_add(1, std::memory_order_relaxed);
    answer.body = body_of(page->rows, serving->by_row());
    if (!page->at_end && serving->by_row()) {
      answer.next = page_token(page->rows.back().name);
    }
    if (whole && !answer.next && page->position) {
      serving->keep(*ask.key, answer.body, page->position->number());
      offer_copy(view, *serving, *ask.key);
    }
    co_return answer;
  }
}

net::Task<Asked<ViewAnswer>> ViewReader::read_page(View& view, const ViewAsk& ask) {
  for (;;) {
    const ServingPtr serving = view.serving();
    if (serving == nullptr) {
      co_return not_built(view);
    }
    ViewAnswer answer{.body = nullptr,
                      .position = serving->position(),
                      .behind_since_ms = serving->behind_since_ms(),
                      .stale = false,
                      .next = {}};
    const ViewRunner::Use journal(runner_);
    if (!journal) {
      co_return stops();
    }
    const auto page = co_await journal->rows(journal::RowQuery{.table = serving->table(),
                                                               .key = {},
                                                               .after = ask.after,
                                                               .rows = ask.limit.value_or(kDefaultPageRows),
                                                               .bytes = kMaxPageBytes,
                                                               .cursor = serving->cursor()});
    if (!page) {
      co_return refusal_of(page.error());
    }
    if (view.serving() != serving) {
      continue;
    }
    std::string body;
    json::Writer out(body);
    out.begin_object().key("items").begin_array();
    for (const journal::FoldRow& row : page->rows) {
      out.begin_object().key("key").value(row.name.key);
      if (serving->by_row()) {
        out.key("row").value(row.name.row);
      }
      out.key("value").raw(row.value).end();
    }
    out.end().key("next");
    if (page->at_end) {
      out.value(nullptr);
    } else {
      out.value(page_token(page->rows.back().name));
    }
    out.end();
    answer.body = std::make_shared<const std::string>(std::move(body));
    co_return answer;
  }
}

}  // namespace flotilla::cqrs
