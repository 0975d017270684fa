// `flotilla aggregates`: which there are, and one with its state and its events.
//
// Ownership, threads: values; runs on the calling thread. Limits: those of cli_client.hpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}  // namespace CLI

namespace flotilla::app {

struct AggregateOrder {
  std::string verb = "list";  // list, show
  std::string name;           // of list: empty for those that the file names
  std::string id;             // of show
  std::uint64_t at = 0;       // as of which version; 0: now
  std::uint32_t limit = 100;
  std::string after;
};

// Adds to the verb what it takes. Once it was parsed, `run` does what was asked.
void add_aggregate_options(CLI::App& verb, AggregateOrder& order, const ClientOptions& options,
                           std::function<int()>& run);

}  // namespace flotilla::app
