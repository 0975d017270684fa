// The client verbs of subscriptions and their dead letters: `flotilla subscriptions [list|show|pause|...]`
// and `flotilla subscriptions dead-letters ...`, over the management API.
//
// Ownership: what is parsed into outlives the parser and what it is to run. Threads, results and exit codes:
// as cli_ask.hpp says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "flotilla/app/cli_ask.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}  // namespace CLI

namespace flotilla::app {

// What a person asks of a subscription; what is empty is not sent.
struct SubscriptionOrder {
  std::string verb = "list";  // list, show, pause, resume, replay, release, forget
  std::string name;
  std::string from;  // of replay; so is the next
  std::string to;
  std::string key;  // of release
  std::string who;
  std::string why;
};

// What a person asks of the dead letters of one.
struct DeadLetterOrder {
  std::string name;
  std::string verb = "list";  // list, show, edit, replay, drop
  std::string id;
  bool all = false;   // of replay and drop: of all open ones that fit
  std::string state;  // of list
  std::string key;    // of list, and with `all`; so the two below
  std::string reason;
  std::string code;
  std::string after;
  std::uint32_t limit = 100;
  std::string data;  // of edit: JSON
  std::string who;
  std::string why;
};

struct SubscriptionCommand {
  SubscriptionOrder order;
  DeadLetterOrder letters;
};

// Adds to the verb what it takes. Once it was parsed, `run` does what was asked.
void add_subscription_options(CLI::App& verb, SubscriptionCommand& command, const ClientOptions& options,
                              std::function<int()>& run);

}  // namespace flotilla::app
