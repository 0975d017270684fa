// The sagas that the simulator runs: a few definitions that together use everything a definition can say.
//
// Ownership: built once, shared, immutable. Threads: any.
#pragma once

#include <string_view>
#include <vector>

#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga::simulation {

class Catalogue final : public DefinitionSource {
 public:
  Catalogue();
  [[nodiscard]] DefinitionPtr find(std::string_view hash) const override;
  // Those that clients submit; nested ones are started by their parents as well.
  [[nodiscard]] const std::vector<DefinitionPtr>& all() const noexcept { return all_; }
  [[nodiscard]] DefinitionPtr named(std::string_view name) const;

  // For sagas made by a test.
  void add(DefinitionPtr definition) { all_.push_back(std::move(definition)); }

 private:
  void add_sequences();
  void add_graphs();
  void add_waits();
  void add_nested();

  std::vector<DefinitionPtr> all_;
};

}  // namespace flotilla::saga::simulation
