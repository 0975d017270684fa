// The port of attempts: how one attempt of a saga's request is carried out.
//
// For: shard.hpp, which asks for each effect::Send; attempt.hpp, which sends it to a service, and
// function_carrier.hpp, which calls a function of this program. What an answer means, when to try again and
// what to undo is the engine's business, whoever carries.
// Ownership: shared by the host of a shard and the shard. Threads: the shard's loop. Limits: the carrier's.
#pragma once

#include <functional>
#include <string_view>

#include "flotilla/net/task.hpp"
#include "flotilla/saga/core/engine_io.hpp"

namespace flotilla::saga {

class Carrier {
 public:
  Carrier() = default;
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;
  virtual ~Carrier() = default;

  // Carries it out at most once, and gives what engine.hpp wants to hear of it. `send` outlives the task;
  // destroying the task abandons the attempt, whose effect is unknown then.
  // `callback`: where the end of what was answered 202 may be reported, before the key; empty: nowhere.
  // `wanted` is asked on the loop when every wait is over, before the attempt has an effect; false: held
  // back.
  [[nodiscard]] virtual net::Task<input::Answer> carry(const effect::Send& send, std::string_view callback,
                                                       std::function<bool()> wanted) = 0;
};

}  // namespace flotilla::saga
