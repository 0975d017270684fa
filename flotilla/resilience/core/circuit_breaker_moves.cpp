// The transitions of a circuit breaker, the operator's verbs, and what is reported about them.
#include <algorithm>

#include "flotilla/resilience/core/circuit_breaker.hpp"

namespace flotilla::resilience {

using namespace detail;

std::string_view to_string(TransitionCause cause) noexcept {
  constexpr std::array<std::string_view, 14> names{
      "consecutive-failures", "failure-rate",   "slow-rate",      "wait-over",
      "probes-passed",        "probes-failed",  "probes-overdue", "operator-open",
      "operator-close",       "operator-probe", "mode-auto",      "mode-observe",
      "mode-forced-open",     "mode-disabled"};
  return names[static_cast<std::size_t>(cause)];
}

// The one place where the state word changes its generation. True if this call made the transition;
// else `word` is what another made of it.
bool CircuitBreaker::move(std::uint64_t& word, const Target& target, Instant now) noexcept {
  const std::uint64_t from = word;
  const std::uint64_t gen = (Generation::get(from) + 1) & Generation::kMax;
  const std::uint64_t next = Generation::make(gen) |
                             state_word::Attempt::make(std::min(target.openings, state_word::Attempt::kMax)) |
                             state_word::Deadline::make(target.deadline) |
                             state_word::ModeAndState::make((static_cast<std::uint64_t>(target.mode) << 2) |
                                                            static_cast<std::uint64_t>(target.state));
  if (!word_.compare_exchange_strong(word, next, std::memory_order_acq_rel, std::memory_order_acquire)) {
    return false;
  }
  word = next;
  const std::uint64_t at = ticks_after(now, Duration::zero());
  if (target.state == BreakerState::open) {
    opened_at_.store(static_cast<std::int64_t>(at), std::memory_order_relaxed);
  }
  over_threshold_.store(false, std::memory_order_relaxed);
  transitions_.fetch_add(1, std::memory_order_relaxed);
  events_[gen % kEvents].store(Generation::make(gen) | event_word::At::make(at) |
                                   event_word::From::make(static_cast<std::uint64_t>(state_of(from))) |
                                   event_word::To::make(static_cast<std::uint64_t>(target.state)) |
                                   event_word::Cause::make(static_cast<std::uint64_t>(target.cause)),
                               std::memory_order_release);
  return true;
}

bool CircuitBreaker::move_to_open(std::uint64_t& word, TransitionCause cause, Instant now,
                                  Duration retry_after) noexcept {
  const std::uint64_t openings = std::min(state_word::Attempt::get(word) + 1, state_word::Attempt::kMax);
  Duration wait = wait_for(openings, (Generation::get(word) + 1) & Generation::kMax);
  if (config_.honour_retry_after) {
    wait = std::max(wait, std::min(retry_after, config_.retry_after_cap));
  }
  return move(word, {BreakerState::open, mode_of(word), openings, ticks_after(now, wait), cause}, now);
}

bool CircuitBreaker::move_to_half_open(std::uint64_t& word, TransitionCause cause, Instant now) noexcept {
  const std::uint64_t deadline = config_.half_open_max == Duration::zero()
                                     ? state_word::kNoDeadline
                                     : ticks_after(now, config_.half_open_max);
  return move(word, {BreakerState::half_open, mode_of(word), state_word::Attempt::get(word), deadline, cause},
              now);
}

bool CircuitBreaker::end_overdue_half_open(std::uint64_t& word, Instant now) noexcept {
  if (config_.half_open_to == AfterHalfOpen::open) {
    return move_to_open(word, TransitionCause::probes_overdue, now, Duration::zero());
  }
  return move(word, {BreakerState::closed, mode_of(word), 0, 0, TransitionCause::probes_overdue}, now);
}

bool CircuitBreaker::open(Instant now, std::optional<Duration> wait) noexcept {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  while (mode_of(word) == BreakerMode::automatic) {
    // Opening what is open is no further failure: the wait restarts, it does not grow.
    const std::uint64_t openings =
        std::min(state_word::Attempt::get(word) + (state_of(word) == BreakerState::open ? 0 : 1),
                 state_word::Attempt::kMax);
    const std::uint64_t gen = (Generation::get(word) + 1) & Generation::kMax;
    const Duration lasts = std::max(wait.value_or(wait_for(openings, gen)), Duration::zero());
    if (move(word,
             {BreakerState::open, BreakerMode::automatic, openings, ticks_after(now, lasts),
              TransitionCause::operator_open},
             now)) {
      return true;
    }
  }
  return false;
}

bool CircuitBreaker::probe(Instant now) noexcept {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  while (mode_of(word) == BreakerMode::automatic) {
    if (move_to_half_open(word, TransitionCause::operator_probe, now)) {
      return true;
    }
  }
  return false;
}

void CircuitBreaker::close(Instant now) noexcept {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  for (bool done = false; !done;) {
    const BreakerMode mode =
        mode_of(word) == BreakerMode::forced_open ? BreakerMode::automatic : mode_of(word);
    done = move(word, {BreakerState::closed, mode, 0, 0, TransitionCause::operator_close}, now);
  }
}

void CircuitBreaker::set_mode(BreakerMode mode, Instant now) noexcept {
  const auto cause =
      static_cast<TransitionCause>(static_cast<int>(TransitionCause::mode_auto) + static_cast<int>(mode));
  std::uint64_t word = word_.load(std::memory_order_acquire);
  while (mode_of(word) != mode && !move(word, {BreakerState::closed, mode, 0, 0, cause}, now)) {
  }
}

std::optional<BreakerTransition> CircuitBreaker::next_transition() noexcept {
  std::uint32_t taken = taken_.load(std::memory_order_acquire);
  while (taken != generation(word_.load(std::memory_order_acquire))) {
    const auto gen = static_cast<std::uint32_t>((taken + 1) & Generation::kMax);
    const std::uint64_t event = events_[gen % kEvents].load(std::memory_order_acquire);
    const std::uint32_t found = generation(event);
    if (found != gen && !newer(found, gen)) {
      return std::nullopt;  // its winner is about to write it
    }
    if (!taken_.compare_exchange_weak(taken, gen, std::memory_order_acq_rel, std::memory_order_acquire)) {
      continue;
    }
    if (found == gen) {
      return BreakerTransition{gen, static_cast<BreakerState>(event_word::From::get(event)),
                               static_cast<BreakerState>(event_word::To::get(event)),
                               static_cast<TransitionCause>(event_word::Cause::get(event)),
                               epoch_ + Millis(event_word::At::get(event))};
    }
    lost_.fetch_add(1, std::memory_order_relaxed);
    taken = gen;
  }
  return std::nullopt;
}

BreakerSnapshot CircuitBreaker::snapshot(Instant now) const noexcept {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  const std::uint64_t gen = generation(word);
  BreakerSnapshot s;
  s.state = state_of(word);
  s.mode = mode_of(word);
  s.window = window_.totals(generation(word), elapsed(now));
  s.openings = static_cast<std::uint32_t>(state_word::Attempt::get(word));
  if (s.state == BreakerState::closed) {
    s.failures = run_word::Count::get(rebased(run_.load(std::memory_order_relaxed), gen));
  } else if (s.state == BreakerState::open) {
    s.opened_at = epoch_ + Millis(opened_at_.load(std::memory_order_relaxed));
    s.retry_at = epoch_ + Duration{deadline_ns(word)};
  } else {
    s.probes_in_flight = static_cast<std::uint32_t>(
        probe_word::InFlight::get(rebased(probe_.load(std::memory_order_relaxed), gen)));
  }
  s.late = late_.load(std::memory_order_relaxed);
  s.transitions = transitions_.load(std::memory_order_relaxed);
  s.would_have_opened = would_have_opened_.load(std::memory_order_relaxed);
  return s;
}

}  // namespace flotilla::resilience
