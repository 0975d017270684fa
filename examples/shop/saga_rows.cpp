#include "saga_rows.hpp"

#include <fmt/format.h>

namespace shop {
namespace {

using flotilla::Result;
using flotilla::json::Value;
using flotilla::saga::BarrierKey;
using flotilla::saga::BarrierRow;

constexpr std::string_view kTable = "saga_barrier";

std::string id_of(const BarrierKey& key) { return fmt::format("{} {}", key.step, to_string(key.op)); }

}  // namespace

Result<bool> SagaRows::insert(const BarrierKey& key, const BarrierRow& row) {
  const std::string id = id_of(key);
  return store_.find(kTable, id) == nullptr && staged_.emplace(id, row).second;
}

Result<std::optional<BarrierRow>> SagaRows::find(const BarrierKey& key) {
  const std::string id = id_of(key);
  if (const auto staged = staged_.find(id); staged != staged_.end()) {
    return staged->second;
  }
  const Value* const row = store_.find(kTable, id);
  if (row == nullptr) {
    return std::nullopt;
  }
  const auto state = flotilla::saga::parse_barrier_state((*row)["state"].as_string());
  return BarrierRow{.state = state.value_or(BarrierRow::State::done),
                    .answer = std::string((*row)["answer"].as_string())};
}

Result<> SagaRows::update(const BarrierKey& key, const BarrierRow& row) {
  staged_.insert_or_assign(id_of(key), row);
  return {};
}

void SagaRows::flush() {
  for (const auto& [id, row] : staged_) {
    store_.put(kTable, id, Value::object({{"state", to_string(row.state)}, {"answer", row.answer}}));
  }
  staged_.clear();
}

}  // namespace shop
