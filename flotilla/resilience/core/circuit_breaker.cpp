#include "flotilla/resilience/core/circuit_breaker.hpp"

#include <algorithm>
#include <cmath>

#include "flotilla/base/random.hpp"

namespace flotilla::resilience {
namespace {

using namespace detail;

constexpr std::int64_t kTickNs = 1'000'000;

// Rates are compared in millionths, as integers: 0.07 * 100 is more than 7 in binary floating point.
std::uint32_t to_ppm(double share) { return static_cast<std::uint32_t>(std::lround(share * 1e6)); }

std::uint32_t effective_min_calls(const BreakerConfig& c) {
  return c.window.kind == WindowShape::Kind::count ? std::min(c.min_calls, c.window.size) : c.min_calls;
}

constexpr Outcome normalised(Outcome outcome, const BreakerConfig& config) {
  if ((outcome == Outcome::excluded && config.excluded_as == CountAs::success) ||
      (outcome == Outcome::cancelled && config.cancelled_as == CountAs::success)) {
    return Outcome::success;
  }
  return outcome;
}

constexpr Counted counted_as(Outcome outcome) {
  switch (outcome) {
    case Outcome::success:
      return Counted::success;
    case Outcome::failure:
    case Outcome::overload:
      return Counted::failure;
    case Outcome::excluded:
      return Counted::ignored;
    case Outcome::cancelled:
      return Counted::cancelled;
  }
  return Counted::ignored;
}

}  // namespace

CircuitBreaker::CircuitBreaker(const BreakerConfig& config, Instant epoch, std::uint64_t seed)
    : config_(config),
      epoch_(epoch),
      seed_(seed),
      rate_ppm_(to_ppm(config.rate)),
      slow_rate_ppm_(to_ppm(config.slow_rate)),
      min_calls_(effective_min_calls(config)),
      windowed_(config.window.kind != WindowShape::Kind::none),
      success_is_simple_(!windowed_ || (config.evaluate != Evaluate::any && slow_rate_ppm_ == 0)),
      edge_ns_(config.edge == Edge::after ? 1 : 0),
      window_(config.window) {}

Result<std::unique_ptr<CircuitBreaker>> CircuitBreaker::create(const BreakerConfig& config, Instant now,
                                                               std::uint64_t seed) {
  if (auto ok = check(config); !ok) {
    return std::unexpected(ok.error());
  }
  return std::unique_ptr<CircuitBreaker>(new CircuitBreaker(config, now, seed));
}

Result<std::unique_ptr<CircuitBreaker>> CircuitBreaker::create_successor(const CircuitBreaker& old,
                                                                         const BreakerConfig& config,
                                                                         Instant now) {
  if (auto ok = check(config); !ok) {
    return std::unexpected(ok.error());
  }
  std::unique_ptr<CircuitBreaker> made(new CircuitBreaker(config, old.epoch_, old.seed_));
  std::uint64_t word = old.word_.load(std::memory_order_acquire);
  const std::uint64_t gen = generation(word);
  std::uint64_t deadline = state_word::Deadline::get(word);
  if (state_of(word) == BreakerState::open) {
    const std::uint64_t openings = state_word::Attempt::get(word);
    const Duration by = made->wait_for(openings, gen) - old.wait_for(openings, gen);
    deadline = made->ticks_after(old.epoch_ + Duration{deadline_ns(word)}, by);
  }
  made->transitions_.store(old.transitions_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  made->late_.store(old.late_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  made->would_have_opened_.store(old.would_have_opened_.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
  made->opened_at_.store(old.opened_at_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  made->run_.store(old.run_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  made->window_.carry_from(old.window_, generation(word), made->elapsed(now));
  word =
      (word & ~state_word::Deadline::make(state_word::Deadline::kMax)) | state_word::Deadline::make(deadline);
  made->word_.store(word, std::memory_order_relaxed);
  for (std::size_t i = 0; i < kEvents; ++i) {
    made->events_[i].store(old.events_[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  made->taken_.store(static_cast<std::uint32_t>(gen), std::memory_order_relaxed);
  if (state_of(word) == BreakerState::half_open) {
    (void)made->move_to_half_open(word, TransitionCause::wait_over, now);  // the old probes answer to `old`
  }
  return made;
}

bool CircuitBreaker::half_open_is_over(std::uint64_t word, Instant now) const noexcept {
  return state_word::Deadline::get(word) != state_word::kNoDeadline && elapsed(now) >= deadline_ns(word);
}

// now + wait in ticks, rounded up so that no wait is cut short.
std::uint64_t CircuitBreaker::ticks_after(Instant now, Duration wait) const noexcept {
  const std::int64_t ns = std::max<std::int64_t>((saturating_add(now, wait) - epoch_).count(), 0);
  const std::uint64_t ticks = static_cast<std::uint64_t>(ns / kTickNs) + (ns % kTickNs != 0 ? 1 : 0);
  return std::min(ticks, state_word::kNoDeadline - 1);
}

// The `openings`-th wait in a row (from 1), its jitter drawn from the seed and the generation that
// begins, so that a transition needs no generator that threads would have to share.
Duration CircuitBreaker::wait_for(std::uint64_t openings, std::uint64_t gen) const noexcept {
  double ns = static_cast<double>(config_.open.count());
  const auto most = static_cast<double>(config_.max.count());
  for (std::uint64_t k = 1; k < openings && ns < most; ++k) {
    ns *= config_.mult;
  }
  ns = std::min(ns, most);
  if (config_.jitter > 0) {
    Random random(seed_ ^ (gen * 0x9e3779b97f4a7c15ULL));
    ns *= 1 + config_.jitter * (2 * random.unit() - 1);
  }
  return Duration{std::llround(ns)};
}

std::expected<CircuitBreaker::Permit, BreakerRefusal> CircuitBreaker::acquire_slowly(Instant now) noexcept {
  for (;;) {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    if (mode_of(word) == BreakerMode::forced_open) {
      return std::unexpected(BreakerRefusal{BreakerState::open, Duration::zero()});
    }
    switch (state_of(word)) {
      case BreakerState::closed:
        return Permit(this, generation(word));
      case BreakerState::open:
        if (!open_is_over(word, now)) {
          return std::unexpected(BreakerRefusal{BreakerState::open, open_left(word, now)});
        }
        // Who wins the transition gets no free pass: all compete for the probes equally.
        (void)move_to_half_open(word, TransitionCause::wait_over, now);
        continue;
      case BreakerState::half_open:
        if (half_open_is_over(word, now)) {
          (void)end_overdue_half_open(word, now);
          continue;
        }
        break;
    }
    const Admission admission = admit_probe(generation(word));
    if (admission == Admission::full) {
      return std::unexpected(BreakerRefusal{BreakerState::half_open, Duration::zero()});
    }
    // A transition between the two words makes the admission void.
    if (admission == Admission::admitted &&
        generation(word_.load(std::memory_order_acquire)) == generation(word)) {
      return Permit(this, generation(word));
    }
  }
}

// Whether a probe or run word may be written for `gen`: it is of that generation, or of one that is
// over. Asked of the state word, because a word untouched through a long outage can be so old that
// serial arithmetic would take it for a newer one. Should a transition follow at once, the write does
// no harm: the word's generation is then an old one.
bool CircuitBreaker::belongs(std::uint64_t word, std::uint64_t gen) const noexcept {
  return Generation::get(word) == gen || generation(word_.load(std::memory_order_acquire)) == gen;
}

CircuitBreaker::Admission CircuitBreaker::admit_probe(std::uint64_t gen) noexcept {
  using namespace probe_word;
  std::uint64_t seen = probe_.load(std::memory_order_acquire);
  for (;;) {
    if (!belongs(seen, gen)) {
      return Admission::moved;
    }
    std::uint64_t next = rebased(seen, gen);
    if (InFlight::get(next) >= config_.probes_at_once ||
        (config_.probes_total != 0 && Admitted::get(next) >= config_.probes_total)) {
      return Admission::full;
    }
    next = InFlight::up(next);
    if (config_.probes_total != 0) {
      next = Admitted::up(next);
    }
    if (probe_.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_acquire)) {
      return Admission::admitted;
    }
  }
}

void CircuitBreaker::refund_probe(std::uint64_t gen) noexcept {
  std::uint64_t seen = probe_.load(std::memory_order_acquire);
  while (Generation::get(seen) == gen &&
         !probe_.compare_exchange_weak(seen, probe_word::InFlight::down(probe_word::Admitted::down(seen)),
                                       std::memory_order_acq_rel, std::memory_order_acquire)) {
  }
}

void CircuitBreaker::abandon(std::uint32_t gen) noexcept {
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  if (generation(word) != gen) {
    late_.fetch_add(1, std::memory_order_relaxed);
  } else if (state_of(word) == BreakerState::half_open) {
    refund_probe(gen);
  }
}

Counted CircuitBreaker::settle(std::uint32_t gen, Outcome outcome, Instant now, Duration took,
                               Duration retry_after) noexcept {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  while (state_of(word) == BreakerState::half_open && half_open_is_over(word, now)) {
    (void)end_overdue_half_open(word, now);
    word = word_.load(std::memory_order_acquire);
  }
  const bool late = generation(word) != gen;
  if (late) {
    late_.fetch_add(1, std::memory_order_relaxed);
    if (config_.late == LateResults::drop) {
      return Counted::late;
    }
  }
  const Outcome meant = normalised(outcome, config_);
  const bool slow = slow_rate_ppm_ != 0 && took > config_.slow_call &&
                    (meant == Outcome::success || meant == Outcome::failure || meant == Outcome::overload);
  if (state_of(word) == BreakerState::closed) {
    if (mode_of(word) != BreakerMode::disabled) {
      settle_closed(word, meant, slow, now, retry_after);
    }
  } else if (state_of(word) == BreakerState::half_open) {
    // Where slowness can open a breaker, a slow probe does not prove it well.
    settle_probe(word, slow ? Outcome::failure : meant, now, retry_after);
  }
  return late ? Counted::late : counted_as(outcome);
}

void CircuitBreaker::settle_closed(std::uint64_t word, Outcome outcome, bool slow, Instant now,
                                   Duration retry_after) noexcept {
  if (outcome == Outcome::excluded || outcome == Outcome::cancelled) {
    return;
  }
  const std::uint64_t run = count_run(generation(word), outcome);
  const bool failed = outcome != Outcome::success;
  window_.record(generation(word), elapsed(now), failed, slow);
  if (config_.evaluate == Evaluate::any || (config_.evaluate == Evaluate::failure && (failed || slow))) {
    apply_trip_rule(word, run, now, retry_after);
  }
}

// Failures in a row after this result; an overload neither lengthens nor ends the run.
std::uint64_t CircuitBreaker::count_run(std::uint64_t gen, Outcome outcome) noexcept {
  std::uint64_t seen = run_.load(std::memory_order_acquire);
  for (;;) {
    if (!belongs(seen, gen)) {
      return 0;
    }
    const std::uint64_t mine = rebased(seen, gen);
    if (outcome == Outcome::overload || (outcome == Outcome::success && run_word::Count::get(mine) == 0)) {
      return run_word::Count::get(mine);
    }
    const std::uint64_t next =
        outcome == Outcome::success ? Generation::make(gen) : run_word::Count::up(mine);
    if (run_.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_acquire)) {
      return run_word::Count::get(next);
    }
  }
}

bool CircuitBreaker::reaches(std::uint32_t part, std::uint32_t whole, std::uint32_t ppm) const noexcept {
  const std::uint64_t left = std::uint64_t{part} * 1'000'000;
  const std::uint64_t right = std::uint64_t{whole} * ppm;
  return config_.compare == Compare::ge ? left >= right : left > right;
}

std::optional<TransitionCause> CircuitBreaker::trip_cause(std::uint64_t word, std::uint64_t run,
                                                          Instant now) const noexcept {
  if (config_.consecutive != 0 && run >= config_.consecutive) {
    return TransitionCause::consecutive_failures;
  }
  if (rate_ppm_ == 0 && slow_rate_ppm_ == 0) {
    return std::nullopt;
  }
  const WindowTotals totals = window_.totals(generation(word), elapsed(now));
  if (totals.calls < min_calls_ || totals.calls == 0) {
    return std::nullopt;
  }
  if (rate_ppm_ != 0 && reaches(totals.failures, totals.calls, rate_ppm_)) {
    return TransitionCause::failure_rate;
  }
  if (slow_rate_ppm_ != 0 && reaches(totals.slow, totals.calls, slow_rate_ppm_)) {
    return TransitionCause::slow_rate;
  }
  return std::nullopt;
}

void CircuitBreaker::apply_trip_rule(std::uint64_t word, std::uint64_t run, Instant now,
                                     Duration retry_after) noexcept {
  const std::optional<TransitionCause> cause = trip_cause(word, run, now);
  if (mode_of(word) == BreakerMode::observe) {
    if (over_threshold_.exchange(cause.has_value(), std::memory_order_relaxed) == false && cause) {
      would_have_opened_.fetch_add(1, std::memory_order_relaxed);
    }
    return;
  }
  if (cause) {
    (void)move_to_open(word, *cause, now, retry_after);  // losing means that another result opened it
  }
}

// Whether this ignored probe makes `starve` of them in a row: a backend of which most answers do not
// count must be able to close the breaker all the same.
bool CircuitBreaker::starved(std::uint64_t gen) noexcept {
  if (config_.starve == 0) {
    return false;
  }
  if (count_run(gen, Outcome::failure) < config_.starve) {
    return false;
  }
  (void)count_run(gen, Outcome::success);
  return true;
}

void CircuitBreaker::settle_probe(std::uint64_t word, Outcome outcome, Instant now,
                                  Duration retry_after) noexcept {
  using namespace probe_word;
  const std::uint64_t gen = generation(word);
  if (outcome == Outcome::excluded && starved(gen)) {
    outcome = Outcome::success;
  } else if (outcome == Outcome::excluded || outcome == Outcome::cancelled) {
    refund_probe(gen);
    return;
  } else {
    (void)count_run(gen, Outcome::success);
  }
  const bool failed = outcome != Outcome::success;
  std::uint64_t seen = probe_.load(std::memory_order_acquire);
  std::uint64_t next = 0;
  do {
    if (!belongs(seen, gen)) {
      return;
    }
    next = InFlight::down(rebased(seen, gen));
    next = failed ? Failures::up(next) : Successes::up(next);
  } while (!probe_.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_acquire));

  const auto successes = static_cast<std::uint32_t>(Successes::get(next));
  const auto failures = static_cast<std::uint32_t>(Failures::get(next));
  const bool by_rate = config_.close.kind == CloseRule::Kind::rate;
  const bool decided = by_rate ? successes + failures >= config_.close.n
                               : successes >= config_.close.n || failures >= config_.reopen_failures;
  if (!decided) {
    return;
  }
  const bool bad =
      by_rate ? reaches(failures, successes + failures, rate_ppm_) : failures >= config_.reopen_failures;
  if (bad) {
    (void)move_to_open(word, TransitionCause::probes_failed, now, retry_after);
  } else {
    (void)move(word, {BreakerState::closed, mode_of(word), 0, 0, TransitionCause::probes_passed}, now);
  }
}

BreakerState CircuitBreaker::look(Instant now) noexcept {
  std::uint64_t word = word_.load(std::memory_order_acquire);
  if (state_of(word) == BreakerState::half_open && half_open_is_over(word, now)) {
    (void)end_overdue_half_open(word, now);
  } else if (state_of(word) == BreakerState::open && config_.trigger == Trigger::timer &&
             open_is_over(word, now)) {
    (void)move_to_half_open(word, TransitionCause::wait_over, now);
  } else if (state_of(word) == BreakerState::closed && config_.evaluate == Evaluate::tick &&
             (mode_of(word) == BreakerMode::automatic || mode_of(word) == BreakerMode::observe)) {
    const std::uint64_t run = rebased(run_.load(std::memory_order_acquire), generation(word));
    apply_trip_rule(word, run_word::Count::get(run), now, Duration::zero());
  }
  return state_of(word_.load(std::memory_order_acquire));
}

}  // namespace flotilla::resilience
