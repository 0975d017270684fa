// What the clients of one saga asked, when, and what they were told; and whether that has an order.
//
// For: the simulated world and tests of the runner, which record histories. Clients ask at the same time, and
// owners change between question and answer; yet all of it must look as if each request had been carried out
// in one instant between being made and being answered (it is linearizable). The search is Wing and Gong's:
// it puts one request after the other in order, each as early as its answers allow, and takes the last one
// back when nothing fits. Between two requests the saga may go on by itself, as far as its states lead. A
// request without an answer may have been carried out at any time since it was made, or never.
// Ownership: plain values. Threads: pure functions. Limits: the first kMaxOrdered requests of a history are
// looked at, what comes later is as if it were not known yet; after kMaxTried tries it is left undecided.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flotilla/saga/core/engine_io.hpp"

namespace flotilla::saga::simulation {

inline constexpr std::size_t kMaxOrdered = 64;
inline constexpr std::size_t kMaxTried = 200'000;

enum class Asking : std::uint8_t { start, show, signal, cancel };

enum class Told : std::uint8_t {
  nothing,    // or what leaves open whether it was done, now or later
  untouched,  // it was surely not done, for a reason that says nothing of the saga
  accepted,
  aborts,  // accepted or going on, of a cancelling
  existing,
  key_reused,
  locked,
  duplicate,
  going_on,
  pivot_decides,
  refused,  // the saga's state does not allow it
  absent,   // there is no such saga
  seen,     // `view`
};
[[nodiscard]] Told told_by(effect::Reply::What what, Asking asking) noexcept;

// What is shown of a saga.
struct View {
  std::string state;  // as lists have it
  std::uint64_t seq = 0;
  bool cancelled = false;                           // a cancelling is why it aborts
  std::optional<std::vector<std::string>> signals;  // the ids of those it has taken, if that is known
};

// The instants of a history have one order and are all different.
struct Exchange {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  Asking asking = Asking::show;
  std::string text;  // the input of a start, the id of a signal
  std::uint64_t asked = 0;
  std::uint64_t answered = kNever;
  Told told = Told::nothing;
  View view = {};
};
[[nodiscard]] std::string to_string(const Exchange& exchange);

struct Order {
  enum class Is : std::uint8_t { there, missing, undecided };
  Is is = Is::there;
  // Of a missing one: the shortest beginning of the history that has none, line by line.
  std::string history;
};
// Of all starts under a saga's key, and of all that was asked of the saga itself.
[[nodiscard]] Order find_order(std::span<const Exchange> history);

}  // namespace flotilla::saga::simulation
