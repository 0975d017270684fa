#include "flotilla/app/view_config.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::app {

using config::Node;

void warn_of_views(ConfigFile& file, const Node& root) {
  const Node* const views = root.find("views");
  const auto is_copied = [](const cqrs::ViewDefinitionPtr& view) { return view->cache > Duration::zero(); };
  if (file.stores.views && std::ranges::none_of(file.views, is_copied)) {
    const config::Place place = root.find("stores")->find("views")->place;
    file.warnings.push_back(fmt::format("{}:{}:{}: no view has `cache`, so no copies go to this Redis",
                                        file.path, place.line, place.column));
  }
  for (const cqrs::ViewDefinitionPtr& view : file.views) {
    for (const events::TopicPtr& topic : file.topics) {
      if (topic->retain == Duration::zero() ||
          std::ranges::find(view->texts.from, topic->name) == view->texts.from.end()) {
        continue;
      }
      const config::Place place = views->find(view->name)->place;
      file.warnings.push_back(fmt::format(
          "{}:{}:{}: topic {} keeps events for a time only: when view {} is built anew, because its fold "
          "changed or somebody asks, what they made of its rows is gone",
          file.path, place.line, place.column, topic->name, view->name));
    }
  }
}

}  // namespace flotilla::app
