// Reads `check:` of a command: the calls that must answer 2xx before it is decided.
//
// For: aggregate_config_reader.cpp. Ownership: values. Threads: pure functions. Limits: kMaxChecks,
// kMaxCheckHeaders.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/config/spec.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxCheckHeaders = 16;

// As the file has it.
struct CheckDraft {
  struct Header {
    std::string name;
    std::string value;
    config::Place place;
  };
  std::string call;
  std::optional<expr::Program> body;
  std::vector<Header> headers;
  std::optional<resilience::RetryPolicy> retry;
  Duration timeout{0};
  config::Place place;
};

[[nodiscard]] config::Kind<CheckDraft> check_kind();
// Nothing: it has problems.
[[nodiscard]] std::optional<Check> read_check(CheckDraft draft, config::Problems& problems);

}  // namespace flotilla::cqrs
