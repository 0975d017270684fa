#include "flotilla/saga/core/simulation/history.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace flotilla::saga::simulation {
namespace {

// Where a saga may be, as a set of bits.
using Places = std::uint16_t;
constexpr Places kScheduled = 1U << 0U;
constexpr Places kRunning = 1U << 1U;
constexpr Places kCommitted = 1U << 2U;
constexpr Places kHeld = 1U << 3U;
constexpr Places kCompensating = 1U << 4U;
constexpr Places kCompleted = 1U << 5U;
constexpr Places kCompensated = 1U << 6U;
constexpr Places kFailed = 1U << 7U;
constexpr Places kRejected = 1U << 8U;
constexpr Places kOpen = kScheduled | kRunning | kCommitted | kHeld | kCompensating;
constexpr Places kEnded = kCompleted | kCompensated | kFailed | kRejected;
constexpr Places kTakesSignals = kScheduled | kRunning | kCommitted | kHeld;

struct Named {
  std::string_view name;
  Places places;  // where a saga is that shows it
  Places leads;   // where it may be later
};
constexpr std::array<Named, 10> kStates{
    {{"scheduled", kScheduled, kOpen | kEnded},
     {"running", kRunning, (kOpen | kEnded) & ~(kScheduled | kRejected)},
     {"committed", kCommitted, kCommitted | kCompleted | kFailed},
     {"held", kHeld, kHeld | kCompensating | kCompleted | kCompensated | kFailed},
     {"compensating", kCompensating, kCompensating | kCompensated | kFailed},
     {"completed", kCompleted, kCompleted},
     {"compensated", kCompensated, kCompensated},
     {"failed", kFailed, kFailed},
     {"rejected", kRejected, kRejected},
     {"suspended", kOpen, 0}}};

Places later(Places places) noexcept {
  Places all = 0;
  for (const Named& each : kStates) {
    all |= (places & each.places) != 0 ? each.leads : Places{0};
  }
  return all;
}

// The saga as one would have it who carries out one request at a time.
struct Model {
  bool exists = false;
  bool cancelled = false;
  bool cancel_requested = false;
  bool exact = false;      // `seq` and `shown` are what was seen; else it has at least that many records
  std::uint8_t shown = 0;  // of kStates
  Places places = 0;       // right after the last request
  std::uint8_t input = 0;  // of the texts of the history, as are the signals
  std::uint64_t seq = 0;
  std::uint64_t signals = 0;

  auto operator<=>(const Model&) const = default;

  // After it went on by itself, if it can be in one of those places then.
  [[nodiscard]] std::optional<Model> moved(Places to) const noexcept {
    Model next = *this;
    next.places = later(places) & to;
    if (!exists || next.places == 0) {
      return std::nullopt;
    }
    if (exact && (places & to) == 0) {
      ++next.seq;
    }
    next.exact = false;
    return next;
  }
};
using Models = std::vector<Model>;

class Search {
 public:
  explicit Search(std::span<const Exchange> history) : history_(history) {
    for (const Exchange& each : history) {
      texts_.push_back(each.text);
    }
  }

  [[nodiscard]] Order::Is run() {
    const bool found = go(0, Model());
    return found ? Order::Is::there : tried_.size() < kMaxTried ? Order::Is::missing : Order::Is::undecided;
  }

 private:
  bool go(std::uint64_t done, const Model& model) {
    std::uint64_t first_answer = Exchange::kNever;
    bool answers_left = false;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if ((done >> i & 1U) == 0 && history_[i].answered != Exchange::kNever) {
        first_answer = std::min(first_answer, history_[i].answered);
        answers_left = true;
      }
    }
    if (!answers_left) {
      return true;
    }
    if (tried_.size() >= kMaxTried || !tried_.emplace(done, model).second) {
      return false;
    }
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if ((done >> i & 1U) != 0 || history_[i].asked > first_answer) {
        continue;
      }
      for (const Model& next : after(model, history_[i])) {
        if (go(done | std::uint64_t{1} << i, next)) {
          return true;
        }
      }
    }
    return false;
  }

  // What the saga may be like when that request was carried out next; none, if it cannot have been.
  [[nodiscard]] Models after(const Model& model, const Exchange& each) const {
    if (each.told == Told::absent) {
      return model.exists ? Models() : Models{model};
    }
    if (each.told == Told::untouched) {
      return {model};
    }
    switch (each.asking) {
      case Asking::start:
        return after_start(model, each);
      case Asking::show:
        return each.told == Told::seen ? after_show(model, each.view) : Models();
      case Asking::signal:
        return after_signal(model, each);
      case Asking::cancel:
        return after_cancel(model, each.told);
    }
    return {};
  }

  [[nodiscard]] Models after_start(const Model& model, const Exchange& each) const {
    const std::uint8_t input = number_of(each.text);
    switch (each.told) {
      case Told::nothing:
      case Told::accepted:
        if (!model.exists) {
          return {{.exists = true, .places = kOpen | kEnded, .input = input, .seq = 1}};
        }
        break;
      case Told::existing:
        return model.exists && model.input == input ? Models{model} : Models();
      case Told::key_reused:
        return model.exists && model.input != input ? Models{model} : Models();
      case Told::locked:
        return model.exists ? Models() : Models{model};
      case Told::refused:  // its saga is not kept any more
        return {model};
      default:
        break;
    }
    return {};
  }

  [[nodiscard]] Models after_show(const Model& model, const View& view) const {
    const auto* const state = std::ranges::find(kStates, view.state, &Named::name);
    if (!model.exists || state == kStates.end() || view.seq < model.seq ||
        view.cancelled != model.cancelled || (view.signals && set_of(*view.signals) != model.signals)) {
      return {};
    }
    Model next = model;
    const bool ended = model.exact && (model.places & kEnded) == model.places;
    if (ended && view.seq != model.seq) {
      return {};
    }
    const bool unchanged = model.exact && view.seq == model.seq;
    const bool admitted = (model.places & kScheduled) != 0 && state->places == kRunning;  // without a record
    if (unchanged && kStates[model.shown].name != view.state && !admitted) {
      return {};
    }
    next.places = (unchanged && !admitted ? model.places : later(model.places)) & state->places;
    next.exact = true;
    next.shown = static_cast<std::uint8_t>(state - kStates.begin());
    next.seq = view.seq;
    return next.places == 0 ? Models() : Models{next};
  }

  [[nodiscard]] Models after_signal(const Model& model, const Exchange& each) const {
    const std::uint64_t bit = std::uint64_t{1} << number_of(each.text);
    const bool taken = (model.signals & bit) != 0;
    if (each.told == Told::duplicate) {
      return taken ? Models{model} : Models();
    }
    const bool refused = each.told == Told::refused;
    auto next = model.moved(refused ? kEnded | kCompensating : kTakesSignals);
    if (taken || !next || (!refused && each.told != Told::accepted && each.told != Told::nothing)) {
      return {};
    }
    if (!refused) {
      next->signals |= bit;
      ++next->seq;
      next->places = later(next->places);
    }
    return {*next};
  }

  [[nodiscard]] static Models after_cancel(const Model& model, Told told) {
    Models all;
    const auto add = [&](Places from, auto change) {
      if (auto next = model.moved(from)) {
        change(*next);
        all.push_back(*next);
      }
    };
    if (told == Told::accepted || told == Told::aborts || told == Told::nothing) {
      add(kScheduled | kRunning, [](Model& next) {
        next.places = later(kCompensating) | kRejected;
        next.cancelled = true;
        ++next.seq;
      });
    }
    if (told == Told::pivot_decides || (told == Told::nothing && !model.cancel_requested)) {
      add(kRunning, [](Model& next) {
        next.places = later(kRunning);
        next.seq += next.cancel_requested ? 0 : 1;
        next.cancel_requested = true;
      });
    }
    if (told == Told::going_on || told == Told::aborts) {
      add(kCompensating, [](Model&) {});
    }
    if (told == Told::refused) {
      add(kCommitted | kHeld | kEnded, [](Model&) {});
    }
    return all;
  }

  [[nodiscard]] std::uint8_t number_of(const std::string& text) const {
    return static_cast<std::uint8_t>(std::ranges::find(texts_, text) - texts_.begin());
  }
  // Nobody sent one that the history does not have: then the set is none that a saga can have.
  [[nodiscard]] std::uint64_t set_of(const std::vector<std::string>& signals) const {
    std::uint64_t set = 0;
    for (const std::string& id : signals) {
      const std::uint8_t number = number_of(id);
      set |= number < texts_.size() ? std::uint64_t{1} << number : ~std::uint64_t{0};
    }
    return set;
  }

  std::span<const Exchange> history_;
  std::vector<std::string> texts_;
  std::set<std::pair<std::uint64_t, Model>> tried_;
};

// What was known at that instant.
std::vector<Exchange> until(std::span<const Exchange> history, std::uint64_t end) {
  std::vector<Exchange> known;
  for (const Exchange& each : history) {
    if (each.asked > end) {
      continue;
    }
    Exchange& copy = known.emplace_back(each);
    if (each.answered > end || each.told == Told::nothing) {
      copy.answered = Exchange::kNever;
      copy.told = Told::nothing;
    }
  }
  return known;
}

}  // namespace

Told told_by(effect::Reply::What what, Asking asking) noexcept {
  using What = effect::Reply::What;
  switch (what) {
    case What::accepted:
      return Told::accepted;
    case What::existing:
      return Told::existing;
    case What::duplicate:
      return Told::duplicate;
    case What::going_on:
      return Told::going_on;
    case What::pivot_decides:
      return Told::pivot_decides;
    case What::key_reused:
      return Told::key_reused;
    case What::locked:
      return Told::locked;
    case What::conflict:
      return asking == Asking::start ? Told::untouched : Told::refused;
    case What::invalid:
    case What::overloaded:
      return Told::untouched;
    case What::unavailable:
      return Told::nothing;
  }
  return Told::nothing;
}

std::string to_string(const Exchange& exchange) {
  constexpr std::array<std::string_view, 4> kAsked{"start", "show", "signal", "cancel"};
  constexpr std::array<std::string_view, 13> kTold{
      "no answer", "not done", "accepted",      "aborts",  "existing", "key reused", "locked",
      "duplicate", "going on", "pivot decides", "refused", "absent",   "seen"};
  std::string line =
      fmt::format("{}..{} {}{}{}: {}", exchange.asked,
                  exchange.answered == Exchange::kNever ? std::string() : std::to_string(exchange.answered),
                  kAsked[static_cast<std::size_t>(exchange.asking)], exchange.text.empty() ? "" : " ",
                  exchange.text, kTold[static_cast<std::size_t>(exchange.told)]);
  if (exchange.told == Told::seen) {
    const View& view = exchange.view;
    line += fmt::format(" {} at {}{}", view.state, view.seq, view.cancelled ? ", cancelled" : "");
    if (view.signals) {
      line += fmt::format(", signals [{}]", fmt::join(*view.signals, " "));
    }
  }
  return line;
}

Order find_order(std::span<const Exchange> history) {
  std::vector<Exchange> all(history.begin(), history.end());
  std::ranges::sort(all, {}, &Exchange::asked);
  const std::uint64_t end = all.size() > kMaxOrdered ? all[kMaxOrdered].asked - 1 : Exchange::kNever - 1;
  all = until(all, end);
  Order order{.is = Search(all).run(), .history = {}};
  if (order.is != Order::Is::missing) {
    return order;
  }
  std::vector<std::uint64_t> answers;
  for (const Exchange& each : all) {
    answers.push_back(each.answered);
  }
  std::ranges::sort(answers);
  for (const std::uint64_t answer : answers) {
    const std::vector<Exchange> beginning = until(all, answer);
    if (Search(beginning).run() == Order::Is::missing) {
      for (const Exchange& each : beginning) {
        order.history += to_string(each) + "\n";
      }
      break;
    }
  }
  return order;
}

}  // namespace flotilla::saga::simulation
