#include "flotilla/json/schema/unique.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <vector>

namespace flotilla::json::schema {
namespace {

std::size_t mix(std::size_t hash, std::size_t with) noexcept {
  // Multiplication by 2^64 over the golden ratio spreads the low bits; Knuth, TAOCP 3, 6.4.
  return (hash ^ with) * 0x9e3779b97f4a7c15U + (hash >> 31);
}

// Equal values have equal hashes: numbers by their nearest double, members in any order.
std::size_t hash_of(const Value& value) noexcept {
  auto hash = static_cast<std::size_t>(value.kind()) + 1;
  switch (value.kind()) {
    case Kind::null:
      return hash;
    case Kind::boolean:
      return mix(hash, value.as_bool() ? 1 : 0);
    case Kind::number:
      return mix(hash, std::hash<double>()(*value.as_double()));  // 0 and -0 alike
    case Kind::string:
      return mix(hash, std::hash<std::string_view>()(value.as_string()));
    case Kind::array:
      for (const Value& item : value.items()) {
        hash = mix(hash, hash_of(item));
      }
      return hash;
    case Kind::object:
      break;
  }
  std::size_t sum = 0;
  for (const Member& m : value.members()) {
    sum += mix(std::hash<std::string_view>()(m.key()), hash_of(m.value));
  }
  return mix(hash, sum);
}

bool take(std::uint64_t& steps, std::uint64_t cost) noexcept {
  if (cost > steps) {
    steps = 0;
    return false;
  }
  steps -= cost;
  return true;
}

struct Entry {
  std::size_t hash;
  std::size_t at;
};

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> find_equal(std::span<const Value> items,
                                                              std::uint64_t& steps) {
  constexpr std::size_t kFew = 32;
  std::array<Entry, kFew> few;
  std::vector<Entry> many;
  std::span<Entry> entries(few);
  if (items.size() > kFew) {
    many.resize(items.size());
    entries = many;
  }
  entries = entries.first(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!take(steps, 1 + items[i].text_size() / 16)) {
      return std::nullopt;
    }
    entries[i] = {hash_of(items[i]), i};
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.at < b.at;
  });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t j = i + 1; j < entries.size() && entries[j].hash == entries[i].hash; ++j) {
      const Value& a = items[entries[i].at];
      const Value& b = items[entries[j].at];
      if (!take(steps, comparison_steps(a, b))) {
        return std::nullopt;
      }
      if (a == b) {
        return std::pair(entries[i].at, entries[j].at);
      }
    }
  }
  return std::nullopt;
}

}  // namespace flotilla::json::schema
