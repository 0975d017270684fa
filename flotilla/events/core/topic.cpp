#include "flotilla/events/core/topic.hpp"

#include <algorithm>

namespace flotilla::events {

bool is_topic_name(std::string_view name) noexcept {
  const auto may_stand = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxTopicName && name != "." && name != ".." &&
         std::ranges::all_of(name, may_stand);
}

}  // namespace flotilla::events
