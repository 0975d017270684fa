// Whether all elements of an array differ, in time that does not grow with the square of their number.
//
// For: uniqueItems. Elements are compared as json::Value compares them (1 and 1.0 are equal) where their
// hashes are equal, so a hostile array can only make hashes collide, and comparing those is paid in steps.
// Threads: pure. Allocates for more than 32 elements.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "flotilla/json/value.hpp"

namespace flotilla::json::schema {

// What comparing two values may cost, in steps of ValidationLimits: no more than the smaller one is long.
[[nodiscard]] inline std::uint64_t comparison_steps(const Value& a, const Value& b) noexcept {
  return 1 + std::min(a.text_size(), b.text_size()) / 64;
}

// The positions of two equal elements, or nothing. Takes its cost off `steps`; nothing, with steps at zero,
// where they did not suffice.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find_equal(std::span<const Value> items,
                                                                            std::uint64_t& steps);

}  // namespace flotilla::json::schema
