// The application API of commands: what services call on port 9901 (DESIGN 4.4).
//
//   POST /v1/commands/{name}     executes the command of that name; the body is the command
//
// What stands beside, command_answer.hpp says. No guard stands before it here: whoever opens the port does
// that. Ownership: borrows the runner. Threads: one loop's. Limits: those of command_answer.hpp.
#pragma once

#include <string_view>

#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/net/address.hpp"

namespace flotilla::cqrs {

class CommandApi {
 public:
  static constexpr std::string_view kPrefix = "/v1/commands";

  explicit CommandApi(CommandRunner& runner) noexcept : runner_(runner) {}

  // Whether it answers that target.
  [[nodiscard]] static bool serves(std::string_view target) noexcept;

  // An http::ApiHandler.
  [[nodiscard]] net::Task<http::Response> handle(http::Request request, net::SocketAddress peer);

 private:
  CommandRunner& runner_;
};

}  // namespace flotilla::cqrs
