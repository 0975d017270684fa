#include "flotilla/saga/core/simulation/coverage.hpp"

namespace flotilla::saga::simulation {

std::string_view to_string(Transition transition) noexcept {
  constexpr std::array<std::string_view, kTransitions> names{
      "S1",  "S2",  "S3",  "S4",  "S4b", "S5",  "S6",  "S7",  "S8",  "S9",  "S10", "S11", "S11b",
      "S12", "S13", "S14", "S15", "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S23"};
  return names[static_cast<std::size_t>(transition)];
}

std::string_view to_string(Finding::Kind kind) noexcept {
  constexpr std::array<std::string_view, Finding::kKinds> names{"twice", "undo-twice", "left-behind",
                                                                "not-undone", "no-text"};
  return names[static_cast<std::size_t>(kind)];
}

void SagaTally::count(const Record& record, const Definition& definition) {
  steps.resize(definition.steps.size());
  for (const Exposure& each : record.exposed) {
    steps[each.step].skipped += each.kind == Exposure::Kind::skip ? 1 : 0;
  }
  const RecordBody& body = record.body;
  if (std::get_if<record::Accepted>(&body) != nullptr) {
    ++started;
  } else if (const auto* done = std::get_if<record::StepDone>(&body)) {
    ++steps[done->step].done;
  } else if (const auto* refused = std::get_if<record::StepRefused>(&body)) {
    ++steps[refused->step].refused;
  } else if (const auto* unknown = std::get_if<record::StepUnknown>(&body)) {
    ++steps[unknown->step].unknown;
  } else if (const auto* undone = std::get_if<record::StepUndone>(&body)) {
    ++steps[undone->step].undone;
  } else if (const auto* blocked = std::get_if<record::UndoBlocked>(&body)) {
    ++steps[blocked->step].blocked;
  } else if (const auto* stopped = std::get_if<record::Suspended>(&body)) {
    if (stopped->reason != SuspendReason::operator_) {
      ++steps[stopped->step].suspended;
      ++suspended[{stopped->reason, stopped->step}];
    }
  }
  completed += std::get_if<record::Completed>(&body) != nullptr ? 1 : 0;
  compensated += std::get_if<record::Compensated>(&body) != nullptr ? 1 : 0;
  failed += std::get_if<record::Failed>(&body) != nullptr ? 1 : 0;
  rejected += std::get_if<record::Rejected>(&body) != nullptr ? 1 : 0;
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
  if (histories == 0 || undecided > 0) {
    names.emplace_back("an order of every history");
  }
  return names;
}

}  // namespace flotilla::saga::simulation
