// Passing a command on to the process that owns its aggregate's shard.
//
// For: command_runner.hpp, in a journal that several processes share. It goes to the owner's application API
// with the token that the processes have in common, and with who asked in kForwardedCommand, so that the key
// is that of the same principal; whoever has the token may say so, and is believed. It is passed on once: an
// owner that is none any more says so. Ownership: values. Threads: the caller's loop. Limits:
// kCommandPatience.
#pragma once

#include <string>
#include <string_view>

#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

inline constexpr Duration kCommandPatience = std::chrono::seconds(30);
inline constexpr std::string_view kForwardedCommand = "Flotilla-Forwarded";

// The answer of the owner at that address (Ownership::owner_address()); store_unavailable when there is none,
// it cannot be reached, or `again`. Where it was reached and did not answer it is not known what became of
// the command.
[[nodiscard]] net::Task<CommandAnswer> forward_command(Result<std::string> owner, std::string token,
                                                       std::string command, CommandAsk ask, bool again);

// The request to the owner, and its answer read back.
[[nodiscard]] http::Request forwarded_request(const std::string& token, const std::string& command,
                                              const CommandAsk& ask);
[[nodiscard]] CommandAnswer read_forwarded(const http::Response& response);

}  // namespace flotilla::cqrs
