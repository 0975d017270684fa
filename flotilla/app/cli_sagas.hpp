// The client verbs of sagas: `flotilla sagas [list|count|show|cancel|...]` over the management API.
//
// Ownership, threads, results and exit codes: as cli_ask.hpp says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/app/cli_ask.hpp"

namespace flotilla::app {

struct SagaFilter {
  std::string name;                 // empty: any
  std::string state;                // empty: any
  std::vector<std::string> search;  // NAME=TEXT, each
  std::string after;                // of a list: where the page before ended
  std::uint32_t limit = 100;        // of a list
};

// What a person does to one saga.
struct SagaOrder {
  std::string verb;  // cancel, suspend, resume, retry, set-result, forgive, abort, fail, migrate
  std::string id;
  std::string who;
  std::string why;
  std::string step;     // empty: that of the suspension
  std::string result;   // of set-result: JSON
  std::string version;  // of migrate; empty: the file's current one
  std::optional<std::uint64_t> expected_seq;
};

// What a `wait` step waits for.
struct SagaSignal {
  std::string id;
  std::string name;
  std::string payload;  // JSON; empty: null
};

[[nodiscard]] int list_sagas(const ClientOptions& options, const SagaFilter& filter);
[[nodiscard]] int count_sagas(const ClientOptions& options, const SagaFilter& filter);
[[nodiscard]] int show_saga(const ClientOptions& options, const std::string& id, bool timeline);
// Shows the saga as it stands then.
[[nodiscard]] int operate_saga(const ClientOptions& options, const SagaOrder& order);

[[nodiscard]] int signal_saga(const ClientOptions& options, const SagaSignal& signal);

}  // namespace flotilla::app
