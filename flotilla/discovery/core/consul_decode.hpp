// Consul's request bodies and parameters, read leniently.
//
// For: consul_api. Keys compare without case and without `_` (`service_id` = `ServiceID`), null leaves the
// default, unknown keys are ignored: strictness broke many clients (consul-api 1 and 9). Durations are Go's
// text, or a number of nanoseconds. Errors are the sentences of Consul's 400 answers.
// Ownership: values. Threads: pure functions. Limits: catalog_types.hpp; beyond them Errc::invalid.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flotilla/discovery/core/registry.hpp"

namespace flotilla::discovery {

[[nodiscard]] Result<Registration> decode_service(std::string_view body);
// The body of agent/check/register.
[[nodiscard]] Result<CheckRegistration> decode_check(std::string_view body);

struct CheckReport {
  Status status = Status::critical;
  std::string output;
};
// The body of agent/check/update.
[[nodiscard]] Result<CheckReport> decode_report(std::string_view body);

// "1", "t", "true", ... as Go's ParseBool; nothing for anything else.
[[nodiscard]] std::optional<bool> parse_go_bool(std::string_view text);

}  // namespace flotilla::discovery
