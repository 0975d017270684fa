// The commands that there are, by name.
//
// For: the runner; made anew when the file is read again. Ownership: immutable, shared by commands under way.
// Threads: any. Limits: those of the file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/command_io.hpp"

namespace flotilla::cqrs {

struct KnownCommand {
  AggregatePtr aggregate;
  CommandPtr command;
};

struct CommandTable {
  std::map<std::string, KnownCommand, std::less<>> commands;
  EventRules rules;
};
using CommandTablePtr = std::shared_ptr<const CommandTable>;

[[nodiscard]] inline CommandTablePtr make_command_table(const std::vector<AggregatePtr>& aggregates,
                                                        EventRules rules = {}) {
  auto table = std::make_shared<CommandTable>();
  for (const AggregatePtr& aggregate : aggregates) {
    for (const CommandPtr& command : aggregate->commands) {
      table->commands.insert_or_assign(command->name, KnownCommand{aggregate, command});
    }
  }
  table->rules = std::move(rules);
  return table;
}

}  // namespace flotilla::cqrs
