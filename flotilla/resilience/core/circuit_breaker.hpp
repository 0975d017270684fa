// A circuit breaker: stops calling what keeps failing, and finds out when it is back.
//
// For: one per protected service or instance. `acquire` gives a Permit or a refusal; the Permit is
// handed back with the outcome by `complete`. CLOSED lets calls flow, OPEN refuses, HALF_OPEN lets a
// few probes through. docs/resilience.md draws the state machine.
// Ownership: the owner keeps the breaker alive longer than its permits (hold the snapshot it lives in).
// A Permit that is destroyed without an outcome counts as cancelled and is refunded, so an abandoned
// coroutine cannot leak a probe.
// Threads: everything may be called from any thread; there is no lock. Each transition is one
// compare-exchange on the state word, and its winner alone records it.
// Results of calls admitted before the latest transition are *late*: counted as such, and dropped.
// Costs: acquire and a success in CLOSED without a window touch shared memory read-only.
// Refusals and outcomes are not counted here: a shared counter would cost more than the refusal.
// `complete` says what it made of a result, and the caller counts it in its worker's counters.
// Limits: see breaker_config.hpp and breaker_words.hpp; 16 transitions are kept for `next_transition`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/resilience/core/breaker_config.hpp"
#include "flotilla/resilience/core/breaker_window.hpp"
#include "flotilla/resilience/core/breaker_words.hpp"

namespace flotilla::resilience {

enum class BreakerState : std::uint8_t { closed, open, half_open };
// observe: counts but never opens. forced_open: refuses everything. disabled: counts nothing.
enum class BreakerMode : std::uint8_t { automatic, observe, forced_open, disabled };

[[nodiscard]] constexpr std::string_view to_string(BreakerState state) noexcept {
  constexpr std::array<std::string_view, 3> names{"closed", "open", "half-open"};
  return names[static_cast<std::size_t>(state)];
}
[[nodiscard]] constexpr std::string_view to_string(BreakerMode mode) noexcept {
  constexpr std::array<std::string_view, 4> names{"auto", "observe", "forced-open", "disabled"};
  return names[static_cast<std::size_t>(mode)];
}

// How an attempt ended, in the order in which it is to be decided: a refusal of our own (bulkhead,
// limiter, the caller went away) is `cancelled`; then `excluded`; then the failure rule; else success.
// A definite business answer (404, a declined card) is a success: it proves that the peer is alive.
enum class Outcome : std::uint8_t {
  success,
  failure,
  overload,  // 429, RESOURCE_EXHAUSTED, shed: a failure for rates and probes, not for the run
  excluded,
  cancelled,
};

// What `complete` made of a result, for the caller's counters.
enum class Counted : std::uint8_t { success, failure, ignored, cancelled, late };

enum class TransitionCause : std::uint8_t {
  consecutive_failures,
  failure_rate,
  slow_rate,
  wait_over,  // OPEN's time passed: probing
  probes_passed,
  probes_failed,
  probes_overdue,  // half_open_max passed without a verdict
  operator_open,
  operator_close,
  operator_probe,
  mode_auto,
  mode_observe,
  mode_forced_open,
  mode_disabled,
};
[[nodiscard]] std::string_view to_string(TransitionCause cause) noexcept;

struct BreakerTransition {
  std::uint32_t generation = 0;  // of the state that was entered; ascending, wraps at 2^18
  BreakerState from = BreakerState::closed;
  BreakerState to = BreakerState::closed;
  TransitionCause cause = TransitionCause::consecutive_failures;
  Instant at{};  // to the millisecond
};

struct BreakerRefusal {
  BreakerState state = BreakerState::open;
  Duration retry_after{0};  // zero: no estimate (forced open, or all probes are out)
};

struct BreakerSnapshot {
  BreakerState state = BreakerState::closed;
  BreakerMode mode = BreakerMode::automatic;
  std::uint64_t failures = 0;  // in a row; zero unless closed
  WindowTotals window{};       // of the present generation
  std::uint32_t openings = 0;  // in a row, at most 15
  std::uint32_t probes_in_flight = 0;
  std::optional<Instant> opened_at;  // open: when it opened
  std::optional<Instant> retry_at;   // open: when it will probe
  std::uint64_t late = 0;
  std::uint64_t transitions = 0;
  std::uint64_t would_have_opened = 0;  // in mode observe
};

class CircuitBreaker {
 public:
  // The right to one attempt. Move-only; give it back with CircuitBreaker::complete.
  class Permit {
   public:
    Permit(Permit&& other) noexcept
        : breaker_(std::exchange(other.breaker_, nullptr)), generation_(other.generation_) {}
    Permit& operator=(Permit&& other) noexcept {
      if (this != &other) {
        refund();
        breaker_ = std::exchange(other.breaker_, nullptr);
        generation_ = other.generation_;
      }
      return *this;
    }
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;
    ~Permit() { refund(); }

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker* breaker, std::uint32_t generation) noexcept
        : breaker_(breaker), generation_(generation) {}
    void refund() noexcept {
      if (breaker_ != nullptr) {
        std::exchange(breaker_, nullptr)->abandon(generation_);
      }
    }

    CircuitBreaker* breaker_;
    std::uint32_t generation_;
  };

  // `now` is the time it begins at; earlier instants are taken for it. `seed` decides the jitter.
  [[nodiscard]] static Result<std::unique_ptr<CircuitBreaker>> create(const BreakerConfig& config,
                                                                      Instant now, std::uint64_t seed);

  // A breaker with other parameters that goes on where `old` is: state, run, openings and, as far as
  // the shapes allow, window (BreakerWindow::carry_from); an OPEN deadline moves by the difference of
  // the old and the new wait. Permits of `old` go back to `old`, so a HALF_OPEN episode begins anew.
  // An `old` that goes on being used meanwhile does not influence the new one any more; transitions
  // nobody has taken stay with `old`.
  [[nodiscard]] static Result<std::unique_ptr<CircuitBreaker>> create_successor(const CircuitBreaker& old,
                                                                                const BreakerConfig& config,
                                                                                Instant now);

  [[nodiscard]] std::expected<Permit, BreakerRefusal> acquire(Instant now) noexcept {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    switch (detail::state_word::ModeAndState::get(word)) {
      case kClosedAutomatic:
        return Permit(this, generation(word));
      case kOpenAutomatic:
        if (!open_is_over(word, now)) {
          return std::unexpected(BreakerRefusal{BreakerState::open, open_left(word, now)});
        }
        [[fallthrough]];
      default:
        return acquire_slowly(now);
    }
  }

  // `took` is how long the attempt took (only slow_rate looks at it), `retry_after` what the peer
  // asked for, zero if nothing.
  Counted complete(Permit&& permit, Outcome outcome, Instant now, Duration took = Duration::zero(),
                   Duration retry_after = Duration::zero()) noexcept {
    FLOTILLA_ASSERT(permit.breaker_ == this);
    permit.breaker_ = nullptr;
    if (outcome == Outcome::success && success_is_simple_) {
      const std::uint64_t word = word_.load(std::memory_order_acquire);
      const std::uint64_t run = run_.load(std::memory_order_relaxed);
      const bool no_run = detail::run_word::Count::get(run) == 0 || generation(run) != permit.generation_;
      if (detail::state_word::ModeAndState::get(word) == kClosedAutomatic &&
          generation(word) == permit.generation_ && no_run) {
        if (windowed_) {
          window_.record(permit.generation_, elapsed(now), false, false);
        }
        return Counted::success;
      }
    }
    return settle(permit.generation_, outcome, now, took, retry_after);
  }

  // Does what time alone asks for: ends an overdue HALF_OPEN; with Trigger::timer begins probing; with
  // Evaluate::tick applies the trip rule. Call it about once a second, or at the tick's period.
  BreakerState look(Instant now) noexcept;

  // The operator's verbs. `open` (for the configured wait, or `wait`) and `probe` act in mode auto
  // only and say whether they did; opening an open breaker restarts its wait. `close` begins a fresh
  // CLOSED generation and ends a forced_open mode. A mode begins with a fresh CLOSED generation too.
  bool open(Instant now, std::optional<Duration> wait = std::nullopt) noexcept;
  bool probe(Instant now) noexcept;
  void close(Instant now) noexcept;
  void set_mode(BreakerMode mode, Instant now) noexcept;

  [[nodiscard]] bool has_transitions() const noexcept {
    return generation(word_.load(std::memory_order_relaxed)) != taken_.load(std::memory_order_relaxed);
  }
  // The next transition nobody has taken, in order; each is given once. Taken later than 16
  // transitions after it happened, it is lost and counted in `lost_transitions`.
  [[nodiscard]] std::optional<BreakerTransition> next_transition() noexcept;
  [[nodiscard]] std::uint64_t lost_transitions() const noexcept {
    return lost_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] BreakerSnapshot snapshot(Instant now) const noexcept;
  [[nodiscard]] const BreakerConfig& config() const noexcept { return config_; }

  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

 private:
  static constexpr std::uint64_t kClosedAutomatic = 0;
  static constexpr std::uint64_t kOpenAutomatic = static_cast<std::uint64_t>(BreakerState::open);
  static constexpr std::size_t kEvents = 16;
  // Where a transition leads.
  struct Target {
    BreakerState state;
    BreakerMode mode;
    std::uint64_t openings;
    std::uint64_t deadline;
    TransitionCause cause;
  };

  CircuitBreaker(const BreakerConfig& config, Instant epoch, std::uint64_t seed);

  static constexpr std::uint32_t generation(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(detail::Generation::get(word));
  }
  static constexpr BreakerState state_of(std::uint64_t word) noexcept {
    return static_cast<BreakerState>(detail::state_word::state(word));
  }
  static constexpr BreakerMode mode_of(std::uint64_t word) noexcept {
    return static_cast<BreakerMode>(detail::state_word::mode(word));
  }
  [[nodiscard]] std::int64_t elapsed(Instant now) const noexcept { return (now - epoch_).count(); }
  [[nodiscard]] static constexpr std::int64_t deadline_ns(std::uint64_t word) noexcept {
    return static_cast<std::int64_t>(detail::state_word::Deadline::get(word)) * 1'000'000;
  }
  [[nodiscard]] bool open_is_over(std::uint64_t word, Instant now) const noexcept {
    return elapsed(now) >= deadline_ns(word) + edge_ns_;
  }
  [[nodiscard]] Duration open_left(std::uint64_t word, Instant now) const noexcept {
    return Duration{deadline_ns(word) - elapsed(now)};
  }
  [[nodiscard]] bool half_open_is_over(std::uint64_t word, Instant now) const noexcept;
  [[nodiscard]] bool belongs(std::uint64_t word, std::uint64_t generation) const noexcept;
  [[nodiscard]] std::uint64_t ticks_after(Instant now, Duration wait) const noexcept;
  [[nodiscard]] Duration wait_for(std::uint64_t openings, std::uint64_t generation) const noexcept;

  std::expected<Permit, BreakerRefusal> acquire_slowly(Instant now) noexcept;
  enum class Admission : std::uint8_t { admitted, full, moved };
  Admission admit_probe(std::uint64_t generation) noexcept;
  void abandon(std::uint32_t generation) noexcept;
  Counted settle(std::uint32_t generation, Outcome outcome, Instant now, Duration took,
                 Duration retry_after) noexcept;
  void settle_closed(std::uint64_t word, Outcome outcome, bool slow, Instant now,
                     Duration retry_after) noexcept;
  void settle_probe(std::uint64_t word, Outcome outcome, Instant now, Duration retry_after) noexcept;
  void refund_probe(std::uint64_t generation) noexcept;
  [[nodiscard]] bool starved(std::uint64_t generation) noexcept;
  std::uint64_t count_run(std::uint64_t generation, Outcome outcome) noexcept;
  [[nodiscard]] bool reaches(std::uint32_t part, std::uint32_t whole, std::uint32_t ppm) const noexcept;
  [[nodiscard]] std::optional<TransitionCause> trip_cause(std::uint64_t word, std::uint64_t run,
                                                          Instant now) const noexcept;
  void apply_trip_rule(std::uint64_t word, std::uint64_t run, Instant now, Duration retry_after) noexcept;

  bool move(std::uint64_t& word, const Target& target, Instant now) noexcept;
  bool move_to_open(std::uint64_t& word, TransitionCause cause, Instant now, Duration retry_after) noexcept;
  bool move_to_half_open(std::uint64_t& word, TransitionCause cause, Instant now) noexcept;
  bool end_overdue_half_open(std::uint64_t& word, Instant now) noexcept;

  // Each group on lines of its own (128 bytes: the adjacent-line prefetcher pairs lines): what every
  // call reads must not share a line with what some calls write.
  const BreakerConfig config_;
  const Instant epoch_;
  const std::uint64_t seed_;
  const std::uint32_t rate_ppm_;
  const std::uint32_t slow_rate_ppm_;
  const std::uint32_t min_calls_;
  const bool windowed_;
  const bool success_is_simple_;  // a success is recorded at most, never judged
  const std::int64_t edge_ns_;    // Edge::after as one more nanosecond
  alignas(128) std::atomic<std::uint64_t> word_{0};
  alignas(128) std::atomic<std::uint64_t> probe_{0};
  alignas(128) std::atomic<std::uint64_t> run_{
      0};  // CLOSED: failures in a row; HALF_OPEN: ignored probes in a row
  alignas(128) std::atomic<std::uint64_t> late_{0};
  std::atomic<std::uint64_t> transitions_{0};
  std::atomic<std::uint64_t> would_have_opened_{0};
  std::atomic<bool> over_threshold_{false};  // mode observe: one count per excursion
  std::atomic<std::int64_t> opened_at_{0};   // ms; for reports, may lag a transition by an instant
  std::atomic<std::uint32_t> taken_{0};      // generation of the last transition taken
  std::atomic<std::uint64_t> lost_{0};
  std::array<std::atomic<std::uint64_t>, kEvents> events_{};
  BreakerWindow window_;
};

using BreakerPermit = CircuitBreaker::Permit;

}  // namespace flotilla::resilience
