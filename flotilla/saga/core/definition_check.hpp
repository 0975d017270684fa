// The checks a saga must pass before it may run, and the Definition that comes of it.
//
// For: whoever has drafts: the configuration, the C++ builder, the journal. What can be known before the
// first request is known here: an order that has no way back, a request that reads an answer it cannot have,
// an undo that is not one. docs/sagas.md lists every check.
// Ownership: values. Threads: pure functions. Limits: at most kMaxFaults faults of a draft are told.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxFaults = 50;

// The values of what a definition leaves open (sagas-events-cqrs 1.7, 1.10).
inline constexpr Duration kDefaultTimeout = std::chrono::seconds(5);
inline constexpr Duration kKeepCompleted = std::chrono::days(7);
inline constexpr Duration kKeepCompensated = std::chrono::days(30);
// 200 ms, doubled, to 30 s; 8 attempts or 2 minutes. Naming one of the two bounds lifts the other.
inline constexpr Retry kDefaultRetry{.attempts = 8,
                                     .within = std::chrono::minutes(2),
                                     .first = std::chrono::milliseconds(200),
                                     .cap = std::chrono::seconds(30),
                                     .factor = 2};
// Of undos and retriable steps.
inline constexpr Retry kEndlessRetry{.attempts = 0,
                                     .within = std::nullopt,
                                     .first = std::chrono::milliseconds(200),
                                     .cap = std::chrono::seconds(60),
                                     .factor = 2};
inline constexpr std::uint32_t kMostAttempts = 1000;
inline constexpr Duration kShortest = std::chrono::milliseconds(1);  // of any duration
inline constexpr Duration kLongestTimeout = std::chrono::hours(1);   // of an attempt
inline constexpr Duration kLongestPause = std::chrono::hours(1);     // between attempts
inline constexpr Duration kLongestWait = std::chrono::days(365);     // deadlines, signals, timers, locks
inline constexpr Duration kLongestKeeping = std::chrono::days(3650);

struct Fault {
  Position at;
  std::string message;  // names the step and the way out
};

struct Checked {
  DefinitionPtr definition;
  std::vector<Fault> warnings = {};
};

// `known` are the definitions its nested sagas may name.
[[nodiscard]] std::expected<Checked, std::vector<Fault>> check_definition(
    const SagaDraft& draft, std::span<const DefinitionPtr> known = {});

struct CheckedSet {
  std::vector<DefinitionPtr> definitions;  // in the order of the drafts
  std::vector<Fault> warnings = {};
};

// Drafts that may nest each other: no two of one name, none within itself, kMaxNesting levels.
[[nodiscard]] std::expected<CheckedSet, std::vector<Fault>> check_definitions(
    std::span<const SagaDraft> drafts);

}  // namespace flotilla::saga
