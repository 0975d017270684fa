// `flotilla journal`: care for the store where it lies, whether a process uses it or not.
//
// For: cli.cpp. These verbs ask no process: they read the store's file beside its owner, as docs/journal.md
// says. Ownership: values. Threads: main; each blocks until it is done, and tells on stderr once a second how
// far it is. Results go to stdout, messages to stderr; what is returned is the exit code, 0 or 1.
#pragma once

#include <string>

namespace flotilla::app {

// Which store is meant.
struct StoreChoice {
  std::string store;                   // PATH or sqlite:PATH; empty: the one that `file` names
  std::string file = "flotilla.yaml";  // a configuration
};

// A consistent copy as the new file `to`.
[[nodiscard]] int backup_journal(const StoreChoice& choice, const std::string& to);
// 1 if anything is wrong; each problem on a line of its own.
[[nodiscard]] int verify_journal(const StoreChoice& choice);
// JSON lines into the new file `to`; empty: to stdout.
[[nodiscard]] int export_journal(const StoreChoice& choice, const std::string& to);
// JSON lines from `from` (`-`: stdin) into a store that must not exist yet.
[[nodiscard]] int import_journal(const StoreChoice& choice, const std::string& from);

}  // namespace flotilla::app
