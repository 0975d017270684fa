// The data of the order example: stock, charges and shipments in one SQLite file, behind the saga barrier.
//
// For: order_saga.cpp, whose steps change it, and its test, which counts what was changed. Each function runs
// in one transaction with the barrier's rows, so it takes effect once for a key, however often it is called.
// Ownership: owns its connection. Threads: any, one at a time inside. Limits: an example's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "flotilla/journal/sqlite.hpp"
#include "flotilla/saga/sqlite_barrier.hpp"
#include "flotilla/saga/step_function.hpp"

namespace embedded_example {

class ShopFile {
 public:
  [[nodiscard]] static flotilla::Result<std::unique_ptr<ShopFile>> open(const std::string& path);

  // The pattern guide's OrderSaga: the steps and their undos.
  [[nodiscard]] flotilla::saga::Outcome reserve_items(const flotilla::saga::StepCall& call);
  [[nodiscard]] flotilla::saga::Outcome release_items(const flotilla::saga::StepCall& call);
  [[nodiscard]] flotilla::saga::Outcome charge(const flotilla::saga::StepCall& call);
  [[nodiscard]] flotilla::saga::Outcome refund(const flotilla::saga::StepCall& call);
  [[nodiscard]] flotilla::saga::Outcome create_shipment(const flotilla::saga::StepCall& call);

  // Of one order: how often that was done.
  [[nodiscard]] std::int64_t count(const std::string& effect, const std::string& order);

 private:
  explicit ShopFile(std::unique_ptr<flotilla::journal::sqlite::Connection> connection)
      : connection_(std::move(connection)) {}
  // Writes `effect` down for the call's order, and answers `output`.
  [[nodiscard]] flotilla::saga::Outcome once(const flotilla::saga::StepCall& call, std::string_view effect,
                                             flotilla::json::Value output);
  [[nodiscard]] flotilla::saga::Outcome through_barrier(
      const flotilla::saga::StepCall& call,
      const std::function<flotilla::Result<flotilla::saga::SqliteBarrier::Effect>()>& effect);

  std::mutex mutex_;
  std::unique_ptr<flotilla::journal::sqlite::Connection> connection_;
  std::optional<flotilla::saga::SqliteBarrier> barrier_;
};

}  // namespace embedded_example
