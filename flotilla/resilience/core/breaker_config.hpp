// What a circuit breaker can be told, and the presets that make it behave like a known one.
//
// For: the configuration layer, which fills a BreakerConfig, and CircuitBreaker, which holds a copy.
// Threads: plain values.
// Limits: checked by `check`; every bound comes from the width of a field in breaker_words.hpp or
// from the window's memory.
#pragma once

#include <cstdint>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::resilience {

struct WindowShape {
  enum class Kind : std::uint8_t { none, time, count };
  Kind kind = Kind::time;
  Duration length = std::chrono::seconds(10);  // time: 1 ms per bucket at least, 1 h in all at most
  std::uint32_t buckets = 10;                  // time: 1..64; 1 is a fixed interval
  std::uint32_t size = 100;                    // count: 1..1024 results

  friend bool operator==(const WindowShape&, const WindowShape&) = default;
};

// When a half-open breaker has seen enough to close. `successes`: n of them. `rate`: after n results,
// closed if their failure rate is under BreakerConfig::rate, open again if not.
struct CloseRule {
  enum class Kind : std::uint8_t { successes, rate };
  Kind kind = Kind::successes;
  std::uint32_t n = 3;
};

enum class Compare : std::uint8_t { ge, gt };  // a rate equal to the threshold trips, or does not
enum class Evaluate : std::uint8_t { failure, any, tick };  // on failed or slow results, on all, in look()
enum class Edge : std::uint8_t { at, after };       // OPEN ends when now >= deadline, or now > deadline
enum class Trigger : std::uint8_t { call, timer };  // only a call starts probing, or look() too
enum class CountAs : std::uint8_t { ignore, success };
enum class AfterHalfOpen : std::uint8_t { open, closed };
enum class LateResults : std::uint8_t { drop, count };

struct BreakerConfig {
  // The breaker opens when any of these holds.
  std::uint32_t consecutive = 5;                  // failures since the last success; 0 = off
  double rate = 0.5;                              // share of failures in the window, (0, 1]; 0 = off
  double slow_rate = 0;                           // share of slow results in the window; 0 = off
  Duration slow_call = std::chrono::seconds(60);  // slow = strictly longer than this
  Compare compare = Compare::ge;
  WindowShape window{};
  std::uint32_t min_calls = 20;  // a rate means nothing below; a count window caps it at its size
  Evaluate evaluate = Evaluate::failure;

  // How long it stays open: min(max, open * mult^k) for the k-th opening in a row (from 0), spread by
  // +-jitter, drawn once at the transition; never shorter than what the failing peer asked for.
  Duration open = std::chrono::seconds(5);
  double mult = 2;
  Duration max = std::chrono::seconds(60);
  double jitter = 0.2;
  Edge edge = Edge::at;
  Trigger trigger = Trigger::call;
  bool honour_retry_after = true;
  Duration retry_after_cap = std::chrono::seconds(60);

  // How it finds out whether the peer is back.
  std::uint32_t probes_at_once = 1;  // 1..1023
  std::uint32_t probes_total =
      0;  // admissions in one half-open episode, refunds excluded; 0 = no bound, <= 4094
  CloseRule close{};
  std::uint32_t reopen_failures = 1;                  // with CloseRule::successes
  Duration half_open_max = std::chrono::seconds(30);  // 0 = never: a lost probe would block it for ever
  AfterHalfOpen half_open_to = AfterHalfOpen::open;
  std::uint32_t starve = 16;  // so many ignored probes in a row count as one success; 0 = never

  CountAs excluded_as = CountAs::ignore;
  CountAs cancelled_as = CountAs::ignore;
  LateResults late = LateResults::drop;  // `count` only to reproduce resilience4j
};

// Whether `config` is complete and within bounds; the message names the parameter and its range.
[[nodiscard]] Result<> check(const BreakerConfig& config);

// Known breakers as parameters; nothing in CircuitBreaker knows about them. Numbers are the peers'
// own defaults, read in their sources.
namespace preset {
[[nodiscard]] BreakerConfig pybreaker(std::uint32_t failures = 5, Duration reset = std::chrono::seconds(60));
[[nodiscard]] BreakerConfig resilience4j();
[[nodiscard]] BreakerConfig polly();
[[nodiscard]] BreakerConfig hystrix();  // its 500 ms health tick is the caller's: call look() that often
[[nodiscard]] BreakerConfig gobreaker(std::uint32_t max_requests = 1);
[[nodiscard]] BreakerConfig linkerd();
}  // namespace preset

}  // namespace flotilla::resilience
