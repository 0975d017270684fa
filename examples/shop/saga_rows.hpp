// The saga barrier over the shop's own store (docs/barrier.md).
//
// For: service.cpp, which asks it before and after a handler of a saga's request. Rows are staged and written
// by flush() after what the handler changed, so the next commit takes both or neither: the store has no
// roll-back. Whoever uses it keeps two requests of one step from running at once.
// Ownership: borrows the store. Threads: the store's. Limits: kMostRows of the store, the oldest go.
#pragma once

#include <map>
#include <string>

#include "flotilla/saga/core/barrier.hpp"
#include "store.hpp"

namespace shop {

class SagaRows final : public flotilla::saga::BarrierStore {
 public:
  explicit SagaRows(Store& store) : store_(store) {}

  flotilla::Result<bool> insert(const flotilla::saga::BarrierKey& key,
                                const flotilla::saga::BarrierRow& row) override;
  flotilla::Result<std::optional<flotilla::saga::BarrierRow>> find(
      const flotilla::saga::BarrierKey& key) override;
  flotilla::Result<> update(const flotilla::saga::BarrierKey& key,
                            const flotilla::saga::BarrierRow& row) override;

  // Without it nothing has happened.
  void flush();

 private:
  Store& store_;
  std::map<std::string, flotilla::saga::BarrierRow> staged_;  // by "STEP OP"
};

}  // namespace shop
