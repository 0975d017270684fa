// Picking an instance for an attempt.
//
// For: one Balancer per worker and service. It sees instances through a view (concept InstanceLoads),
// so the caller keeps them as it likes and nothing is copied per pick.
// Preference, the first class that has anybody: eligible and not tried yet in this call; eligible;
// not tried; any. So one instance left is used again, and when all are ejected the balancer falls
// open ("panic"): ejection is a guess, and no instance at all is certainly worse.
// Threads: one worker. Costs: two random numbers and two looks when most instances are candidates
// (least_request, random); a walk over the instances otherwise, and always for `weighted`.
// Limits: 2^32 - 1 instances; `tried` is searched linearly (it is as long as there were attempts).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "flotilla/base/random.hpp"

namespace flotilla::resilience {

enum class Balance : std::uint8_t {
  round_robin,
  random,
  least_request,  // power of two choices (Mitzenmacher 1996) by (in flight + 1) / weight
  weighted,       // random in proportion to weight
};

struct InstanceLoad {
  std::uint32_t in_flight = 0;
  std::uint32_t weight = 1;  // 0 gets traffic only if nobody else is a candidate
  bool eligible = true;      // not ejected
};

// size() instances, load(i) of each: what several workers share is read once per pick.
template <class T>
concept InstanceLoads = requires(const T& loads, std::uint32_t i) {
  { loads.size() } -> std::convertible_to<std::size_t>;
  { loads.load(i) } -> std::convertible_to<InstanceLoad>;
};

// The simplest view.
struct InstanceLoadSpan {
  std::span<const InstanceLoad> items;
  [[nodiscard]] std::size_t size() const noexcept { return items.size(); }
  [[nodiscard]] const InstanceLoad& load(std::uint32_t i) const noexcept { return items[i]; }
};

class Balancer {
 public:
  // `start` is where round_robin begins: workers should begin at different places.
  explicit Balancer(Balance kind, std::uint32_t start = 0) noexcept : kind_(kind), next_(start) {}

  // Index of the instance to use; nothing only if there are none. `tried`: indices used before in this call.
  template <InstanceLoads Loads>
  [[nodiscard]] std::optional<std::uint32_t> pick(const Loads& loads, Random& random,
                                                  std::span<const std::uint32_t> tried = {}) noexcept {
    const auto n = static_cast<std::uint32_t>(loads.size());
    if (n == 0) {
      return std::nullopt;
    }
    const auto is_tried = [&](std::uint32_t i) { return std::ranges::find(tried, i) != tried.end(); };
    const auto eligible = [&](std::uint32_t i) { return loads.load(i).eligible; };
    if (auto i = pick_among(loads, n, random, [&](std::uint32_t k) { return eligible(k) && !is_tried(k); })) {
      return i;
    }
    if (auto i = pick_among(loads, n, random, eligible)) {
      return i;
    }
    if (auto i = pick_among(loads, n, random, [&](std::uint32_t k) { return !is_tried(k); })) {
      return i;
    }
    return pick_among(loads, n, random, [](std::uint32_t) { return true; });
  }

 private:
  template <class Loads, class Candidate>
  std::optional<std::uint32_t> pick_among(const Loads& loads, std::uint32_t n, Random& random,
                                          Candidate candidate) noexcept {
    switch (kind_) {
      case Balance::round_robin:
        return next_in_turn(n, candidate);
      case Balance::weighted:
        return by_weight(loads, n, random, candidate);
      case Balance::random:
        return one_of(n, random, candidate);
      case Balance::least_request:
        return better_of_two(loads, n, random, candidate);
    }
    return std::nullopt;
  }

  template <class Candidate>
  std::optional<std::uint32_t> next_in_turn(std::uint32_t n, Candidate candidate) noexcept {
    for (std::uint32_t step = 0; step < n; ++step) {
      const std::uint32_t i = next_ % n;
      next_ = i + 1;
      if (candidate(i)) {
        return i;
      }
    }
    return std::nullopt;
  }

  template <class Candidate>
  static std::uint32_t count(std::uint32_t n, Candidate candidate) noexcept {
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      found += candidate(i) ? 1 : 0;
    }
    return found;
  }
  // The rank-th candidate, from 0; n if there are fewer (another worker ejected one meanwhile).
  template <class Candidate>
  static std::uint32_t nth(std::uint32_t n, std::uint32_t rank, Candidate candidate) noexcept {
    for (std::uint32_t i = 0; i < n; ++i) {
      if (candidate(i) && rank-- == 0) {
        return i;
      }
    }
    return n;
  }

  // Uniform: a draw that hits is uniform among candidates, and so is a draw among the counted.
  template <class Candidate>
  static std::optional<std::uint32_t> one_of(std::uint32_t n, Random& random, Candidate candidate) noexcept {
    const auto drawn = static_cast<std::uint32_t>(random.below(n));
    if (candidate(drawn)) {
      return drawn;
    }
    const std::uint32_t found = count(n, candidate);
    const std::uint32_t i =
        found == 0 ? n : nth(n, static_cast<std::uint32_t>(random.below(found)), candidate);
    return i == n ? std::nullopt : std::optional(i);
  }

  template <class Loads, class Candidate>
  static std::optional<std::uint32_t> better_of_two(const Loads& loads, std::uint32_t n, Random& random,
                                                    Candidate candidate) noexcept {
    if (n > 1) {
      const auto [a, b] = two_below(n, random);
      if (candidate(a) && candidate(b)) {
        return lighter(loads, a, b);
      }
    }
    const std::uint32_t found = count(n, candidate);
    if (found < 2) {
      const std::uint32_t only = nth(n, 0, candidate);
      return only == n ? std::nullopt : std::optional(only);
    }
    const auto [first, second] = two_below(found, random);
    const std::uint32_t a = nth(n, first, candidate);
    const std::uint32_t b = nth(n, second, candidate);
    if (a == n || b == n) {
      const std::uint32_t left = std::min(a, b);
      return left == n ? std::nullopt : std::optional(left);
    }
    return lighter(loads, a, b);
  }

  // Two distinct numbers below n >= 2: the second is drawn from the n - 1 others.
  static std::pair<std::uint32_t, std::uint32_t> two_below(std::uint32_t n, Random& random) noexcept {
    const auto a = static_cast<std::uint32_t>(random.below(n));
    const auto b = static_cast<std::uint32_t>(random.below(n - 1));
    return {a, b < a ? b : b + 1};
  }

  // The lower (in flight + 1) / weight, compared by cross multiplication; on a tie the first drawn.
  template <class Loads>
  static std::uint32_t lighter(const Loads& loads, std::uint32_t a, std::uint32_t b) noexcept {
    const InstanceLoad first = loads.load(a);
    const InstanceLoad second = loads.load(b);
    return (std::uint64_t{second.in_flight} + 1) * first.weight <
                   (std::uint64_t{first.in_flight} + 1) * second.weight
               ? b
               : a;
  }

  template <class Loads, class Candidate>
  static std::optional<std::uint32_t> by_weight(const Loads& loads, std::uint32_t n, Random& random,
                                                Candidate candidate) noexcept {
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      total += candidate(i) ? loads.load(i).weight : 0;
    }
    if (total == 0) {
      return one_of(n, random, candidate);
    }
    std::uint64_t left = random.below(total);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint64_t weight = candidate(i) ? loads.load(i).weight : 0;
      if (left < weight) {
        return i;
      }
      left -= weight;
    }
    return one_of(n, random, candidate);  // another worker ejected one meanwhile
  }

  Balance kind_;
  std::uint32_t next_;
};

}  // namespace flotilla::resilience
