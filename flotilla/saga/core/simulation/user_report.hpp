// What `flotilla simulate` says: as text for people, as JSON for programs.
//
// Ownership, threads: pure functions. Limits: those of UserRun; one finding a kind and step.
#pragma once

#include <set>
#include <string>

#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/simulation/user_run.hpp"

namespace flotilla::saga::simulation {

// How the run was asked for, to say how to repeat a part of it.
struct UserReportConfig {
  std::string file;
  std::string input;             // JSON text, if one was given
  std::set<std::string> accept;  // kinds of findings, or KIND:STEP, that are shown and do not count
};

// Whether something was found that is not accepted: a violation, or a finding.
[[nodiscard]] bool is_bad(const UserRun& run, const UserReportConfig& config);

[[nodiscard]] std::string report_text(const UserRun& run, const UserReportConfig& config);
[[nodiscard]] json::Value report_json(const UserRun& run, const UserReportConfig& config);

// The command that shows everything that happens in one seed.
[[nodiscard]] std::string replay_command(const UserRun& run, const UserReportConfig& config,
                                         std::uint64_t seed);

}  // namespace flotilla::saga::simulation
