// What can be told of sagas from the journal alone, whoever has them: one as it stands, lists, counts.
//
// For: the runner, and shard.hpp for a saga that is not in memory.
// Ownership: borrows. Threads: a task belongs on one loop. Limits: those of service.hpp.
#pragma once

#include "flotilla/saga/core/saga_state.hpp"
#include "flotilla/saga/definition_shelf.hpp"
#include "flotilla/saga/saga_store.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

struct SeenSaga {
  SagaState state;
  bool admitted = true;  // it holds its locks; of one that is read, as its row said last
  json::Value timeline;
};

// Errors: not_found, store_unavailable, overloaded.
[[nodiscard]] net::Task<Asked<SeenSaga>> read_saga(const SagaStore& store, const DefinitionShelf& shelf,
                                                   SagaId saga, bool timeline);
[[nodiscard]] SagaView view_of(SeenSaga seen, bool timeline);

// As Sagas::list() and count().
[[nodiscard]] net::Task<Asked<SagaPage>> page_of_sagas(journal::Journal& journal, ListRequest request);
[[nodiscard]] net::Task<Asked<json::Value>> counts_of_sagas(journal::Journal& journal, CountRequest request);

}  // namespace flotilla::saga
