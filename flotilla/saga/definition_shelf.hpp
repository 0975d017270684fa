// The definitions that this process knows: the file's current ones by name, and every one by its hash.
//
// For: starting (current ones), and folding sagas that were started from another (by hash): those come from
// the journal. Once known a definition stays, there are as many as files that were ever loaded.
// Ownership: shares definitions. Threads: any.
#pragma once

#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

class DefinitionShelf final : public DefinitionSource {
 public:
  [[nodiscard]] DefinitionPtr find(std::string_view hash) const override;
  // Null if the file has none of that name.
  [[nodiscard]] DefinitionPtr current(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

  void put(DefinitionPtr definition);
  // From now on these are the file's, and no others.
  void replace(const std::vector<DefinitionPtr>& definitions);

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, DefinitionPtr> by_hash_;  // guarded by mutex_, as the next
  std::unordered_map<std::string, DefinitionPtr> current_;
};

}  // namespace flotilla::saga
