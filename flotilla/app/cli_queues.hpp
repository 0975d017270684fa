// `flotilla queues`: what it asks of the management API and how it shows the answer.
//
// Ownership: values. Threads: main; each call asks once and returns (cli_client.hpp has the limits).
// Results go to stdout, messages to stderr; what is returned is the exit code, 0 or 1.
#pragma once

#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace flotilla::app {

struct QueueOrder {
  std::string verb;   // list, show, retry, delete
  std::string queue;  // of all but list
  std::string id;     // of retry and delete; of show: empty for the queue's calls
  std::string state;  // of a queue's calls; empty: any
  std::string after;
  std::uint32_t limit = 100;
  std::string who;
  std::string why;
};

[[nodiscard]] int run_queues(const ClientOptions& options, const QueueOrder& order);

}  // namespace flotilla::app
