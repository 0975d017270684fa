#include "flotilla/saga/core/simulation/coverage.hpp"

namespace flotilla::saga::simulation {

std::string_view to_string(Transition transition) noexcept {
  constexpr std::array<std::string_view, kTransitions> names{
      "S1",  "S2",  "S3",  "S4",  "S4b", "S5",  "S6",  "S7",  "S8",  "S9",  "S10", "S11", "S11b",
      "S12", "S13", "S14", "S15", "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S23"};
  return names[static_cast<std::size_t>(transition)];
}

void Coverage::add(const Coverage& other) noexcept {
  for (std::size_t i = 0; i < kTransitions; ++i) {
    transitions[i] += other.transitions[i];
  }
  for (std::size_t i = 0; i < kVerdictRows; ++i) {
    rows[i][0] += other.rows[i][0];
    rows[i][1] += other.rows[i][1];
  }
  for (std::size_t i = 0; i < kRecordTypes; ++i) {
    crashes[i][0] += other.crashes[i][0];
    crashes[i][1] += other.crashes[i][1];
  }
  events += other.events;
  sagas += other.sagas;
  crashed += other.crashed;
}

std::vector<std::string> Coverage::missing() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kTransitions; ++i) {
    if (transitions[i] == 0) {
      names.emplace_back(to_string(static_cast<Transition>(i)));
    }
  }
  for (std::size_t i = 0; i < kVerdictRows; ++i) {
    const auto row = static_cast<VerdictRow>(i);
    if (rows[i][0] == 0) {
      names.push_back("verdict " + std::string(to_string(row)) + " of an action");
    }
    if (rows[i][1] == 0 && row != VerdictRow::outcome_override) {
      names.push_back("verdict " + std::string(to_string(row)) + " of an undo");
    }
  }
  for (std::size_t i = 0; i < kRecordTypes; ++i) {
    const std::string name(record_name(static_cast<std::uint16_t>(i + 1)));
    if (crashes[i][0] == 0) {
      names.push_back("crash before " + name);
    }
    if (crashes[i][1] == 0) {
      names.push_back("crash after " + name);
    }
  }
  return names;
}

}  // namespace flotilla::saga::simulation
