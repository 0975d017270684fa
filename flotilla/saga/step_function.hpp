// A step of a saga as a function of this program: what it is given, and what it answers.
//
// For: code_saga.hpp, which names functions, and function_carrier.hpp, which calls them.
// A function may be called several times for one step, also by the next process after a crash, always with
// the same key: whatever it does must happen once for a key (docs/barrier.md shows how to keep that in a
// database). Two calls with one key never overlap within a process, and an undo begins only when the action
// it undoes has returned.
// Ownership: values. Threads: a function runs on a thread of the pool and may block; several of them run at
// once, so what they share needs its own lock. Limits: kMaxPayload of an output.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include "flotilla/base/time.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::saga {

struct StepCall {
  std::string key;   // "sg1-<ULID>-<step>-<a|c>-<mac>"; the same for every call of this operation
  std::string saga;  // its id
  std::string step;
  bool undo = false;
  json::Value input;  // of the saga
  json::Value steps;  // {NAME: output} of the steps before this one; those without an output are missing
  json::Value cause;  // of an undo: why the saga aborted, {reason, step?, status?}
  // Asked to stop when the attempt's timeout is over, and when the program closes. A function that heeds it
  // answers unknown or retry; one that does not is waited for, since nothing may overlap it.
  std::stop_token stop;
};

// What became of one call.
class Outcome {
 public:
  enum class Kind : std::uint8_t {
    done,     // it took effect, now or at a call before
    refused,  // it has not and never will, whoever calls again: the saga is undone; an undo: it suspends
    retry,    // surely no effect: call again later
    unknown,  // perhaps an effect: call again later, with the same key
  };

  [[nodiscard]] static Outcome done(json::Value output = {}) {
    return {Kind::done, std::move(output), {}, {}};
  }
  [[nodiscard]] static Outcome refused(std::string reason) {
    return {Kind::refused, {}, std::move(reason), {}};
  }
  // `after`: not before that; zero: as the step's `retry` says.
  [[nodiscard]] static Outcome retry(std::string reason, Duration after = {}) {
    return {Kind::retry, {}, std::move(reason), after};
  }
  [[nodiscard]] static Outcome unknown(std::string reason) {
    return {Kind::unknown, {}, std::move(reason), {}};
  }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] const json::Value& output() const noexcept { return output_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  [[nodiscard]] Duration after() const noexcept { return after_; }

 private:
  Outcome(Kind kind, json::Value output, std::string reason, Duration after)
      : kind_(kind), output_(std::move(output)), reason_(std::move(reason)), after_(after) {}

  Kind kind_;
  json::Value output_;
  std::string reason_;
  Duration after_;
};

// An exception that leaves it is caught and counts as Outcome::unknown.
using StepFunction = std::function<Outcome(const StepCall&)>;

}  // namespace flotilla::saga
