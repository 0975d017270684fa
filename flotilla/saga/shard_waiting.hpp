// Those who wait in a shard: for the engine's reply to a request, and for a saga's end.
//
// For: the files of Shard. Ownership: they live in the frame of the coroutine that waits, and leave the
// shard's lists when it goes. Threads: the shard's loop.
#pragma once

#include <memory>
#include <optional>

#include "flotilla/net/event.hpp"
#include "flotilla/saga/shard.hpp"

namespace flotilla::saga {

struct Shard::Asking {
  explicit Asking(Shard& of) : shard(of), number(of.next_waiter_++) { shard.asking_.emplace(number, this); }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  ~Asking() { shard.asking_.erase(number); }

  void answer(Asked<effect::Reply> with) {
    reply = std::move(with);
    answered.set();
  }

  Shard& shard;
  Waiter number;
  std::optional<Asked<effect::Reply>> reply;
  net::Event answered;
};

struct Shard::EndWait {
  EndWait(Shard& of, SagaId id) : shard(of), at(of.end_waits_.emplace(id, this)) {}
  EndWait(const EndWait&) = delete;
  EndWait& operator=(const EndWait&) = delete;
  ~EndWait() { shard.end_waits_.erase(at); }

  Shard& shard;
  std::unordered_multimap<SagaId, EndWait*>::iterator at;
  std::shared_ptr<const SagaState> last;  // once it has ended
  net::Event changed;
};

}  // namespace flotilla::saga
