#include "flotilla/saga/definition_shelf.hpp"

#include <algorithm>
#include <mutex>

namespace flotilla::saga {

DefinitionPtr DefinitionShelf::find(std::string_view hash) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_hash_.find(std::string(hash));
  return found == by_hash_.end() ? nullptr : found->second;
}

DefinitionPtr DefinitionShelf::current(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto found = current_.find(std::string(name));
  return found == current_.end() ? nullptr : found->second;
}

std::vector<std::string> DefinitionShelf::names() const {
  std::vector<std::string> names;
  const std::shared_lock lock(mutex_);
  for (const auto& [name, current] : current_) {
    names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

void DefinitionShelf::put(DefinitionPtr definition) {
  const std::lock_guard lock(mutex_);
  by_hash_.emplace(definition->hash.value(), std::move(definition));
}

void DefinitionShelf::replace(const std::vector<DefinitionPtr>& definitions) {
  const std::lock_guard lock(mutex_);
  current_.clear();
  for (const DefinitionPtr& definition : definitions) {
    by_hash_.emplace(definition->hash.value(), definition);
    current_.emplace(definition->name, definition);
  }
}

}  // namespace flotilla::saga
