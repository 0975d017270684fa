// A queue for later as the file declares it: the `queue` fallback of one service.
//
// For: the runner, which runs it. Ownership: immutable, shared. Threads: any. Limits: those of the file.
#pragma once

#include <memory>

#include "flotilla/call/service_config.hpp"
#include "flotilla/events/core/queue_policy.hpp"

namespace flotilla::events {

struct Queue {
  ServiceName service;  // whose calls wait in it
  call::QueueFallback fallback;
  QueuePolicy policy;

  [[nodiscard]] const std::string& name() const noexcept { return policy.name; }
};
using QueuePtr = std::shared_ptr<const Queue>;

[[nodiscard]] QueuePtr make_queue(const ServiceName& service, const call::QueueFallback& fallback);

}  // namespace flotilla::events
