// What a choreography is declared to be: which events belong to one business transaction, which should follow
// which, by when, and what ends it.
//
// For: its reader, which makes one; the fold, which follows transactions by it. Two with one text follow them
// alike. Ownership: immutable, shared. Threads: any. Limits: below; check() holds them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/expr/core/program.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxChoreographies = 64;
inline constexpr std::size_t kMaxExpectations = 32;
inline constexpr std::size_t kMaxChoreographyTopics = 64;                   // of one, all together
inline constexpr std::size_t kMaxChoreographyText = std::size_t{64} << 10;  // as it is kept
inline constexpr Duration kShortestWithin = std::chrono::milliseconds(1);
inline constexpr Duration kLongestWithin = std::chrono::days(366);
inline constexpr Duration kShortestKeep = std::chrono::minutes(1);
inline constexpr Duration kLongestKeep = std::chrono::days(3650);

// After an event of one topic, one of these, or all of them.
struct Expectation {
  std::string after;
  bool all = false;
  std::vector<std::string> topics;
  Duration within{0};  // 0: whenever

  friend bool operator==(const Expectation&, const Expectation&) = default;
};

struct Choreography {
  std::string name;
  std::string correlate;  // over an event's data, with $event; empty: its correlationid
  std::string start;      // a topic
  std::vector<Expectation> expect;
  std::vector<std::string> ok;              // topics whose events end it
  std::vector<std::string> undone;          // the same, when it was undone
  std::vector<std::string> also;            // topics whose events belong to it and may come whenever
  std::string on_overdue;                   // the topic that is told; empty: none
  Duration retain = std::chrono::days(30);  // after its last event, a transaction is forgotten
  std::vector<std::string> dead_letters;    // topics of dead letters of these events
  std::optional<expr::Program> program;     // of `correlate`
};
using ChoreographyPtr = std::shared_ptr<const Choreography>;

// Compiles `correlate`. Errors: invalid.
[[nodiscard]] Result<expr::Program> compile_correlate(const std::string& text);

// What is wrong with the whole of it: an expectation that nothing leads to, a circle, an end that nothing
// leads to, a deadline beyond `retain`, one topic for two things. Nothing: all is well. `expectation`: whose
// fault it is.
struct ChoreographyFault {
  std::string message;
  std::optional<std::size_t> expectation;
};
[[nodiscard]] std::vector<ChoreographyFault> check(const Choreography& choreography);

// Every topic that it reads, each once; `start` first.
[[nodiscard]] std::vector<std::string> topics_of(const Choreography& choreography);

// All that decides about how transactions are followed, as JSON, with a number of this build's rules; and
// back. Errors: invalid.
[[nodiscard]] std::string write(const Choreography& choreography);
[[nodiscard]] Result<ChoreographyPtr> read_choreography(std::string_view text);

}  // namespace flotilla::events
