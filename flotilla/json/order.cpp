// Equality and order of values, as jq has them.
#include <algorithm>
#include <vector>

#include "flotilla/json/number.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json {
namespace {

std::strong_ordering compare_arrays(std::span<const Value> a, std::span<const Value> b) noexcept {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const auto order = compare(a[i], b[i]); order != 0) {
      return order;
    }
  }
  return a.size() <=> b.size();
}

std::vector<const Member*> by_key(const Value& object) {
  std::vector<const Member*> sorted;
  sorted.reserve(object.size());
  for (const Member& m : object.members()) {
    sorted.push_back(&m);
  }
  std::ranges::sort(sorted, [](const Member* a, const Member* b) { return a->key() < b->key(); });
  return sorted;
}

std::strong_ordering compare_objects(const Value& a, const Value& b) {
  const auto left = by_key(a);
  const auto right = by_key(b);
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (const auto order = left[i]->key() <=> right[i]->key(); order != 0) {
      return order;
    }
  }
  if (left.size() != right.size()) {
    return left.size() <=> right.size();
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (const auto order = compare(left[i]->value, right[i]->value); order != 0) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

}  // namespace

bool operator==(const Value& a, const Value& b) noexcept {
  if (a.same_as(b)) {
    return true;
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return a.as_bool() == b.as_bool();
    case Kind::number:
      return compare_numbers(a.number_text(), b.number_text()) == 0;
    case Kind::string:
      return a.as_string() == b.as_string();
    case Kind::array:
      return std::ranges::equal(a.items(), b.items());
    case Kind::object:
      break;
  }
  return a.size() == b.size() && std::ranges::all_of(a.members(), [&](const Member& m) {
           const Value* other = b.find(m.key());
           return other != nullptr && m.value == *other;
         });
}

std::strong_ordering compare(const Value& a, const Value& b) noexcept {
  if (a.same_as(b)) {
    return std::strong_ordering::equal;
  }
  if (a.kind() != b.kind()) {
    return a.kind() <=> b.kind();
  }
  switch (a.kind()) {
    case Kind::null:
      return std::strong_ordering::equal;
    case Kind::boolean:
      return a.as_bool() <=> b.as_bool();
    case Kind::number:
      return compare_numbers(a.number_text(), b.number_text());
    case Kind::string:
      return a.as_string() <=> b.as_string();
    case Kind::array:
      return compare_arrays(a.items(), b.items());
    case Kind::object:
      return compare_objects(a, b);
  }
  return std::strong_ordering::equal;
}

}  // namespace flotilla::json
