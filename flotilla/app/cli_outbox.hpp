// `flotilla outbox`: publishes what a service writes into an outbox table of its own PostgreSQL
// (docs/outbox.md).
//
// Runs until SIGINT or SIGTERM, then finishes what is under way. Every `status` a line says how it stands.
// Ownership: values. Threads: main, one loop, and one thread that waits for the database. Exit code 0 after a
// signal, 1 where it cannot begin.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}  // namespace CLI

namespace flotilla::app {

struct OutboxOrder {
  std::string database;                                   // an address, which may hold a password
  std::string database_file;                              // a file with it
  std::vector<std::string> api{"http://127.0.0.1:9901"};  // of one platform; several processes of it
  std::string token_file;
  std::string table = "outbox";
  std::string source;  // empty: /outbox/DATABASE/TABLE
  bool create = false;
  bool keep = false;
  std::uint32_t batch = 500;
  std::string poll = "20ms";
  std::string status = "10s";
};

// Adds to the verb what it takes. Once it was parsed, `run` does it.
void add_outbox_options(CLI::App& verb, OutboxOrder& order, std::function<int()>& run);

// Passwords in addresses among the arguments of the process, which everybody on this machine can list, become
// asterisks.
void hide_passwords(int argc, char** argv);

}  // namespace flotilla::app
