// A push subscription as the file, or a service at run time, declares it: what it delivers, to whom, and how.
//
// For: its reader, which makes it; the runner, which runs it. Ownership: immutable, shared. Threads: any.
// Limits: those of the policy and of the file.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "flotilla/call/core/call_template.hpp"
#include "flotilla/events/core/subscription_policy.hpp"
#include "flotilla/expr/core/program.hpp"

namespace flotilla::events {

struct Subscription {
  SubscriptionPolicy policy;
  std::optional<call::CallTemplate> deliver;  // always there; its holes see the event's data
  std::string written;                        // as the file has it, to tell whether it changed
  std::string filter_text;                    // as written; empty: none
  std::optional<expr::Program> filter;        // over the data, with $event
  bool from_start = false;                    // when it is new: what the topic has already is delivered too
  bool declared = false;                      // at run time, not by the file
  std::string start;                          // where a new one begins: a token; empty: now

  [[nodiscard]] bool reads_data() const { return filter.has_value() || has_holes; }
  bool has_holes = false;  // of `deliver`
};
using SubscriptionPtr = std::shared_ptr<const Subscription>;

}  // namespace flotilla::events
