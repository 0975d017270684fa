#include "flotilla/app/choreography_config.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace flotilla::app {

using config::Node;

void check_choreographies(ConfigFile& file, const Node& root, config::Problems& problems) {
  if (file.choreographies.empty()) {
    return;
  }
  const Node& all = *root.find("choreographies");
  for (events::ChoreographyPtr& each : file.choreographies) {
    const std::vector<std::string> topics = events::topics_of(*each);
    events::Choreography linked = *each;
    for (const events::SubscriptionPtr& subscription : file.subscriptions) {
      const events::SubscriptionPolicy& policy = subscription->policy;
      if (std::ranges::find(topics, policy.topic) != topics.end() && policy.topic != linked.on_overdue &&
          std::ranges::find(linked.dead_letters, policy.dead_letter) == linked.dead_letters.end()) {
        linked.dead_letters.push_back(policy.dead_letter);
      }
    }
    std::ranges::sort(linked.dead_letters);
    for (const events::ChoreographyFault& fault : events::check(linked)) {
      problems.add(all.find(linked.name)->place, fault.message);
    }
    each = std::make_shared<const events::Choreography>(std::move(linked));
  }
}

void add_choreography_topics(const ConfigFile& file, const std::function<void(const std::string&)>& add) {
  for (const events::ChoreographyPtr& each : file.choreographies) {
    std::ranges::for_each(events::topics_of(*each), add);
  }
}

}  // namespace flotilla::app
