// The sagas that the simulator runs: its own few definitions, which together use everything a definition can
// say, or a user's.
//
// Ownership: built once, shared, immutable. Threads: any.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "flotilla/saga/core/saga_state.hpp"
#include "flotilla/saga/core/simulation/stubs.hpp"

namespace flotilla::saga::simulation {

class Catalogue final : public DefinitionSource {
 public:
  Catalogue();  // its own
  // A user's: `submitted` is what clients start, with `input` if given; `all` has it and what it nests.
  Catalogue(std::vector<DefinitionPtr> all, DefinitionPtr submitted, const std::optional<json::Value>& input);
  [[nodiscard]] DefinitionPtr find(std::string_view hash) const override;
  [[nodiscard]] const std::vector<DefinitionPtr>& all() const noexcept { return all_; }
  // What clients start; nested ones are started by their parents as well.
  [[nodiscard]] const std::vector<DefinitionPtr>& submitted() const noexcept {
    return submitted_.empty() ? all_ : submitted_;
  }
  [[nodiscard]] const Stubs& stubs(const Definition& definition) const {
    return stubs_.at(definition.hash.value());
  }
  // Of the step's service, towards its action or its undo.
  [[nodiscard]] Grade grade(const Step& step, Op op) const;
  [[nodiscard]] bool is_of_a_user() const noexcept { return !submitted_.empty(); }
  // The longest wait, deadline or pause that any of them names; zero without one.
  [[nodiscard]] Duration longest_wait() const noexcept;

  // For sagas made by a test.
  void add(DefinitionPtr definition);

 private:
  void add_sequences();
  void add_graphs();
  void add_waits();
  void add_nested();

  std::vector<DefinitionPtr> all_;
  std::vector<DefinitionPtr> submitted_;
  std::map<std::string, Stubs, std::less<>> stubs_;  // by hash
};

}  // namespace flotilla::saga::simulation
