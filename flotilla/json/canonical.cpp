#include "flotilla/json/canonical.hpp"

#include <algorithm>
#include <vector>

namespace flotilla::json {

// Recursion is bounded by Value::kMaxDepth.
Value canonical(const Value& value) {
  if (value.is_array()) {
    std::vector<Value> items;
    items.reserve(value.size());
    for (const Value& item : value.items()) {
      items.push_back(canonical(item));
    }
    return ListBuilder::make_array(items);
  }
  if (value.is_object()) {
    std::vector<Member> members;
    members.reserve(value.size());
    for (const Member& member : value.members()) {
      members.push_back({member.name, canonical(member.value)});
    }
    std::ranges::sort(members, {}, &Member::key);
    return ListBuilder::make_object(members);
  }
  return value;
}

}  // namespace flotilla::json
