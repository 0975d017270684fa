// One check of a command: a call to a service that must answer 2xx before the command is decided.
//
// For: command_runner.hpp; it is a port, so that tests answer without a network. CallCheck sends it through
// the one way out, with all policies of the service, its retries and fallbacks too: a check has no effect, so
// it may be sent again. Its body is the command unless the file names one.
// Ownership: the loop and the caller outlive it. Threads: the worker's. Limits: kMaxCheckAnswer bytes of an
// answer are read.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "flotilla/call/caller.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxCheckAnswer = std::size_t{64} << 10;

class CheckCarrier {
 public:
  CheckCarrier() = default;
  CheckCarrier(const CheckCarrier&) = delete;
  CheckCarrier& operator=(const CheckCarrier&) = delete;
  virtual ~CheckCarrier() = default;

  // Nothing: it answered 2xx. What is given outlives the task. `key` names the call: sent again it is the
  // same.
  [[nodiscard]] virtual net::Task<std::optional<CommandRefusal>> check(const Check& check,
                                                                       const CommandAsk& ask,
                                                                       std::string key) = 0;
};

class CallCheck final : public CheckCarrier {
 public:
  // `services` gives those of the configuration of the moment, on the loop.
  using Services = std::function<std::shared_ptr<const call::ServiceTable>()>;
  CallCheck(net::Loop& loop, call::Caller& caller, Services services)
      : loop_(loop), caller_(caller), services_(std::move(services)) {}

  [[nodiscard]] net::Task<std::optional<CommandRefusal>> check(const Check& check, const CommandAsk& ask,
                                                               std::string key) override;

 private:
  net::Loop& loop_;
  call::Caller& caller_;
  Services services_;
};

// What an answer to a check means: 2xx nothing, 4xx a refusal with the code that the body names (`code`, or
// `error.code`), else "check-refused"; everything else that it has failed.
[[nodiscard]] std::optional<CommandRefusal> judge_check(const Check& check, std::uint16_t status,
                                                        std::string_view body);

}  // namespace flotilla::cqrs
