// Carrying out what the machines of commands and of looking at aggregates want to read.
//
// For: command_shell.hpp and aggregate_reader.hpp. Ownership: the journal outlives the tasks. Threads: the
// caller's loop. Limits: those of the journal's pages.
#pragma once

#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

// What became of it: what was asked for, or Failed.
[[nodiscard]] net::Task<CommandInput> carry_out(journal::Journal& journal, effect::FindHolder find);
[[nodiscard]] net::Task<CommandInput> carry_out(journal::Journal& journal, effect::ReadRecords read);
[[nodiscard]] net::Task<CommandInput> carry_out(journal::Journal& journal, effect::ReadSnapshot read);

// What the journal's error means to whoever asks.
[[nodiscard]] CommandRefusal refusal_of(const Error& error);

}  // namespace flotilla::cqrs
