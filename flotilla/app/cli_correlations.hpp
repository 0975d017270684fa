// `flotilla trace`: business transactions for people.
//
// Ownership: values. Threads: main; each call asks once and returns the exit code. Limits: those of
// cli_ask.hpp.
#pragma once

#include <cstdint>
#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace flotilla::app {

struct TraceOrder {
  std::string id;  // empty: a list
  std::string choreography;
  std::string state;
  std::string after;
  std::uint32_t limit = 100;
};

// The answer of GET /api/v1/correlations/{id} as text: how it stands, its events as a tree of what caused
// what with their deliveries, its sagas, and what is expected.
[[nodiscard]] std::string trace_text(const json::Value& picture);

[[nodiscard]] int trace(const ClientOptions& options, const TraceOrder& order);

}  // namespace flotilla::app
