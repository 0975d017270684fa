// One business transaction as people and services see it: put together from what choreographies keep of it,
// how far subscriptions have come, and the sagas in it.
//
// For: correlation_api.hpp. Ownership: values. Threads: pure functions. Limits: those of instance.hpp;
// kMaxPictureInstances.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flotilla/events/core/choreography.hpp"
#include "flotilla/events/core/instance.hpp"
#include "flotilla/events/core/subscription_progress.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxPictureInstances = 32;

struct FoundInstance {
  ChoreographyPtr choreography;
  Instance instance;
};
// How far a subscription has come in its topic.
struct GroupProgress {
  std::string name;
  std::string topic;
  std::map<std::uint32_t, SubscriptionProgress> progress;  // by shard
};

struct PictureParts {
  std::string id;  // as it was asked for
  std::vector<FoundInstance> instances;
  std::vector<GroupProgress> groups;
  std::vector<json::Value> sagas;
};

// {id, state, choreographies: [...], correlations: [...], events: [...], sagas: [...]}
[[nodiscard]] json::Value picture(const PictureParts& parts, std::int64_t now_ms);

// An item of a list, of what a row under state_key() or kDueKey says; null where it is damaged. `state`: of a
// row that says "open" it is overdue when its time has passed.
[[nodiscard]] json::Value list_item(std::string_view choreography, std::string_view id,
                                    const json::Value& summary, std::int64_t due_ms, std::int64_t now_ms);

}  // namespace flotilla::events
