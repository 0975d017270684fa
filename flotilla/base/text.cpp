#include "flotilla/base/text.hpp"

#include <algorithm>
#include <array>

namespace flotilla {
namespace {

constexpr std::size_t kLongestCompared = 64;
constexpr std::size_t kMostEdits = 2;

// Optimal string alignment distance (Damerau 1964, adjacent swaps count one).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kLongestCompared + 1>;
  Row two_above{};
  Row above{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) {
    above[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_above[j - 2] + 1);
      }
    }
    two_above = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

std::string to_lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), ascii_lower);
  return lower;
}

std::string_view trim(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && blank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<std::string_view> nearest(std::string_view name, std::span<const std::string_view> candidates) {
  std::optional<std::string_view> best;
  std::size_t best_distance = kMostEdits + 1;
  if (name.size() > kLongestCompared) {
    return best;
  }
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestCompared) {
      continue;
    }
    const std::size_t distance = edit_distance(name, candidate);
    // A hint that shares nothing with a short name is noise.
    if (distance < best_distance && distance < std::max(name.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace flotilla
