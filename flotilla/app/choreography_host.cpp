#include "flotilla/app/choreography_host.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/loop.hpp"

namespace flotilla::app {
namespace {

using events::Asked;
using events::InstancePage;

constexpr Duration kSweep = std::chrono::seconds(5);
// While there is more to forget.
constexpr Duration kSweepOn = std::chrono::milliseconds(50);
constexpr std::size_t kForgetPage = 100;

// Of its projection: no view has such a name.
std::string view_name(std::string_view choreography) { return fmt::format("choreography/{}", choreography); }

std::int64_t now_ms() { return net::wall_now().ns_since_epoch / 1'000'000; }

std::unexpected<events::Refusal> refusal(Reason reason, std::string detail) {
  return std::unexpected(
      events::Refusal{.reason = reason, .detail = std::move(detail), .retry_after = std::chrono::seconds(1)});
}

std::unexpected<events::Refusal> unknown(std::string_view choreography) {
  return refusal(Reason::not_found, fmt::format("the file names no choreography '{}'", choreography));
}

Asked<events::Done> come_of(const cqrs::View& view, std::string_view choreography, std::string_view where,
                            std::optional<bool> come) {
  if (!come) {
    return refusal(Reason::overloaded, fmt::format("too many wait for choreography {}", choreography));
  }
  if (!*come) {
    const std::string trouble = view.trouble();
    return refusal(Reason::behind, fmt::format("choreography {} has not come to {} in time{}{}", choreography,
                                               where, trouble.empty() ? "" : ": ", trouble));
  }
  return events::Done();
}

}  // namespace

ChoreographyHost::ChoreographyHost(journal::Journal& journal, saga::Sagas& sagas,
                                   std::function<std::vector<events::SubscriptionPtr>()> subscriptions)
    : runner_(journal),
      publisher_(journal),
      api_({.rows = *this,
            .journal = journal,
            .subscriptions = std::move(subscriptions),
            .saga = [&sagas](std::string id) -> net::Task<json::Value> {
              const auto parsed = saga::SagaId::parse(id);
              if (!parsed) {
                co_return json::Value();
              }
              auto shown = co_await sagas.show(*parsed, false);
              co_return shown ? std::move(shown->body) : json::Value();
            }}) {}

ChoreographyHost::~ChoreographyHost() { stop(); }

void ChoreographyHost::stop() {
  watching_.reset();
  runner_.stop();
}

std::vector<cqrs::ViewDefinitionPtr> ChoreographyHost::take(const ConfigFile& file) {
  choreographies_ = file.choreographies;
  std::ranges::sort(choreographies_, {}, [](const events::ChoreographyPtr& each) { return each->name; });
  overdue_topics_.clear();
  std::vector<cqrs::ViewDefinitionPtr> views;
  for (const events::ChoreographyPtr& each : choreographies_) {
    auto fold = std::make_shared<const events::ChoreographyFold>(each, counters_[each->name].folded);
    views.push_back(cqrs::native_view(view_name(each->name), events::topics_of(*each), events::write(*each),
                                      std::move(fold)));
    const auto topic =
        std::ranges::find(file.topics, each->on_overdue, [](const auto& t) { return t->name; });
    if (topic != file.topics.end()) {
      overdue_topics_.emplace(each->name, *topic);
    }
  }
  return views;
}

void ChoreographyHost::start(const ConfigFile& file, std::vector<net::Loop*> loops) {
  runner_.start(take(file), std::move(loops));
}

void ChoreographyHost::replace(const ConfigFile& file) {
  watching_.reset();  // they look at what is being replaced
  runner_.replace(take(file));
  if (loop_ != nullptr) {
    watch();
  }
}

void ChoreographyHost::watch() {
  watching_ = std::make_unique<net::Scope>();
  watches_.clear();
  for (const events::ChoreographyPtr& each : choreographies_) {
    const auto topic = overdue_topics_.find(each->name);
    if (topic != overdue_topics_.end()) {
      watches_.push_back(std::make_unique<events::ChoreographyWatch>(each, topic->second, *this, publisher_,
                                                                     counters_[each->name].watch));
      watching_->spawn(watches_.back()->run(*loop_));
    }
  }
}

net::Task<> ChoreographyHost::tend_forever(net::Loop& loop) {
  co_await net::sleep_for(loop, std::chrono::milliseconds(1));  // from now on it is on the loop
  loop_ = &loop;
  watch();
  for (;;) {
    bool more = false;
    const std::vector<events::ChoreographyPtr> all = choreographies_;
    for (const events::ChoreographyPtr& each : all) {
      if (seat(each->name)) {
        more = co_await sweep(each) || more;
        co_await count_overdue(each);
      } else {  // another process does and says it
        counters_[each->name].overdue = 0;
      }
    }
    co_await net::sleep_for(loop, more ? kSweepOn : kSweep);
  }
}

net::Task<bool> ChoreographyHost::sweep(events::ChoreographyPtr choreography) {
  bool more = false;
  const std::int64_t until = now_ms() - to_millis(choreography->retain);
  const cqrs::ViewPtr view = runner_.find(view_name(choreography->name));
  const cqrs::ServingPtr serving = view ? view->serving() : nullptr;
  for (std::size_t state = 0; serving && state < events::kInstanceStates; ++state) {
    const auto page = co_await rows(
        choreography->name,
        {.key = events::state_key(static_cast<events::InstanceState>(state)), .rows = kForgetPage});
    cqrs::input::Expire expire{.generation = serving->generation(), .names = {}, .now_ms = now_ms()};
    for (std::size_t i = 0; page && i < page->rows.size(); ++i) {
      const auto at = events::read_timed_name(page->rows[i].name.row);
      if (at && at->ms <= until) {
        expire.names.push_back({.key = events::instance_key(at->id), .row = {}});
      }
    }
    more = more || expire.names.size() == kForgetPage;
    if (!expire.names.empty()) {
      runner_.expire(view_name(choreography->name), std::move(expire));
    }
  }
  co_return more;
}

net::Task<> ChoreographyHost::count_overdue(events::ChoreographyPtr choreography) {
  const auto told = co_await rows(
      choreography->name, {.key = events::state_key(events::InstanceState::overdue), .rows = kMostCounted});
  const auto due =
      co_await rows(choreography->name, {.key = std::string(events::kDueKey), .rows = kMostCounted});
  if (!told || !due) {
    co_return;
  }
  const std::int64_t now = now_ms();
  std::uint64_t count = told->rows.size();
  for (const journal::FoldRow& row : due->rows) {
    const auto at = events::read_timed_name(row.name.row);
    const bool twice = row.value.find(R"("state":"overdue")") != std::string::npos;
    count += at && at->ms <= now && !twice ? 1 : 0;
  }
  counters_[choreography->name].overdue = std::min<std::uint64_t>(count, kMostCounted);
}

cqrs::ViewPtr ChoreographyHost::view_of(std::string_view choreography) const {
  return runner_.find(view_name(choreography));
}

std::optional<std::uint32_t> ChoreographyHost::seat(std::string_view choreography) const {
  const cqrs::ViewPtr view = view_of(choreography);
  return view && runner_.runs(*view) ? std::optional(view->home()) : std::nullopt;
}

net::Task<Asked<InstancePage>> ChoreographyHost::rows(std::string choreography, events::InstanceQuery query) {
  const cqrs::ViewPtr view = view_of(choreography);
  if (view == nullptr) {
    co_return unknown(choreography);
  }
  std::optional<journal::RowName> after;
  if (query.after) {
    after = journal::RowName{.key = query.key, .row = *query.after};
  }
  auto found =
      co_await reader_.read_rows(view, {.key = query.key,
                                        .after = std::move(after),
                                        .rows = std::clamp<std::size_t>(query.rows, 1, journal::kMaxRows),
                                        .cursor = {}});
  if (!found) {
    const std::string trouble = view->trouble();
    co_return found.error().reason == Reason::behind
        ? refusal(Reason::behind, fmt::format("choreography {} is being built, and cannot be read yet{}{}",
                                              choreography, trouble.empty() ? "" : ": ", trouble))
        : refusal(found.error().reason, std::move(found.error().detail));
  }
  co_return InstancePage{.rows = std::move(found->page.rows),
                         .at_end = found->page.at_end,
                         .position = std::move(found->position)};
}

net::Task<Asked<events::Done>> ChoreographyHost::await(std::string choreography, journal::Position position,
                                                       Instant deadline) {
  const cqrs::ViewPtr view = view_of(choreography);
  if (view == nullptr) {
    co_return unknown(choreography);
  }
  co_return come_of(*view, choreography, position.text(), co_await view->wait(position, deadline));
}

net::Task<Asked<events::Done>> ChoreographyHost::await_more(std::string choreography, journal::ReadToken seen,
                                                            Instant deadline) {
  const cqrs::ViewPtr view = view_of(choreography);
  if (view == nullptr) {
    co_return unknown(choreography);
  }
  const std::string text = seen.text();
  co_return come_of(*view, choreography, "more than " + text,
                    co_await view->wait_beyond(std::move(seen), deadline));
}

}  // namespace flotilla::app
