// Counts the steps of one evaluation against its budget.
//
// Ownership, threads: one evaluation's. A meter that ran out stays so.
#pragma once

#include <cstdint>

#include "flotilla/json/value.hpp"

namespace flotilla::expr {

class Meter {
 public:
  static constexpr std::uint64_t kMaxValueText = 16U << 20;
  static constexpr std::uint32_t kMaxValueDepth = 256;

  explicit Meter(std::uint32_t steps) noexcept : left_(steps) {}

  // One step and, for work in bulk, `more`. False once the budget is exhausted.
  [[nodiscard]] bool step(std::uint64_t more = 0) noexcept {
    if (left_ <= more) {
      left_ = 0;
      return false;
    }
    left_ -= 1 + more;
    return true;
  }
  // What walking over a text, a whole value or a list of elements costs.
  [[nodiscard]] bool walk_text(std::uint64_t bytes) noexcept { return step(bytes / 256); }
  [[nodiscard]] bool walk(const json::Value& value) noexcept { return walk_text(value.text_size()); }
  [[nodiscard]] bool copy(std::uint64_t elements) noexcept { return step(elements / 8); }

  // Whether a value that was made is small enough to go on with.
  [[nodiscard]] static bool acceptable(const json::Value& value) noexcept {
    return value.text_size() <= kMaxValueText && value.depth() <= kMaxValueDepth;
  }

 private:
  std::uint64_t left_;
};

}  // namespace flotilla::expr
