// The order of the elements of a list by keys: a stable sort. Pure.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "flotilla/expr/core/meter.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

// The positions of `keys` in the order of their values (json::compare), equal ones in the order they stand.
[[nodiscard]] inline std::vector<std::uint32_t> sorted_positions(std::span<const json::Value> keys) {
  std::vector<std::uint32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    const auto by_key = json::compare(keys[a], keys[b]);
    return by_key != 0 ? by_key < 0 : a < b;
  });
  return order;
}

// Pays for sorting: every element is compared log2(n) times on average, its text walked at most as often.
[[nodiscard]] inline bool pay_for_sorting(Meter& meter, std::uint64_t elements, std::uint64_t text) noexcept {
  const auto rounds = static_cast<std::uint64_t>(std::bit_width(elements));
  return meter.walk_text(text * rounds) && meter.copy(elements * rounds);
}

}  // namespace flotilla::expr
