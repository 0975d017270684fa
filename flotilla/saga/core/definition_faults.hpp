// What the checks of a definition found so far.
//
// For: definition_check.hpp and the checks behind it. Ownership: a value. Threads: one. Limits: kMaxFaults.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/definition_check.hpp"

namespace flotilla::saga {

class Faults {
 public:
  void add(Position at, std::string message) {
    if (faults_.size() < kMaxFaults) {
      faults_.push_back({at, std::move(message)});
    }
  }
  void warn(Position at, std::string message) {
    if (warnings_.size() < kMaxFaults) {
      warnings_.push_back({at, std::move(message)});
    }
  }
  [[nodiscard]] bool empty() const noexcept { return faults_.empty(); }
  [[nodiscard]] std::vector<Fault> take() noexcept { return std::move(faults_); }
  [[nodiscard]] std::vector<Fault> take_warnings() noexcept { return std::move(warnings_); }

 private:
  std::vector<Fault> faults_;
  std::vector<Fault> warnings_;
};

// "; did you mean 'charge'?", or nothing.
[[nodiscard]] inline std::string hint(std::string_view name, std::span<const std::string_view> known) {
  const auto near = nearest(name, known);
  return near ? fmt::format("; did you mean '{}'?", *near) : std::string();
}

}  // namespace flotilla::saga
