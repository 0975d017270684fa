// saga_crowd SMALL LARGE: crowds of sagas on one engine (flotilla/saga/core/simulation/crowd.hpp), for
// ctest's label `simulation`.
//
// Compares no crowd, a small and a large one: others must not notice (L3), and what a dead owner leaves must
// be taken up at the same cost a saga (L4). Beside the work that the crowd counts, the whole life of each is
// timed on the processor, because a search through all others shows in no effect. Exit 1 with what is
// violated.
#include <ctime>
#include <iostream>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/simulation/crowd.hpp"

namespace {

using namespace flotilla::saga::simulation;

// How much longer a saga of the large crowd may take, on a processor that others use as well. Of a crowd that
// is 30 times as large a search through all others takes up to 30 times as long.
constexpr double kMostTime = 5.0;

double processor_seconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Lived {
  CrowdOutcome outcome;
  double micros = 0;  // of a saga
};

Lived lived(std::size_t crowd) {
  constexpr std::size_t kOthers = 400;
  const double begun = processor_seconds();
  Lived lived{.outcome = live({.crowd = crowd, .others = kOthers})};
  lived.micros = (processor_seconds() - begun) * 1e6 / static_cast<double>(crowd + 2 * kOthers);
  const auto p99 = [](const std::vector<flotilla::Duration>& sorted) {
    return static_cast<double>(sorted[sorted.size() * 99 / 100].count()) / 1e6;
  };
  std::cout << fmt::format(
      "a crowd of {}: p99 of others {:.1f} ms beside it, {:.1f} ms while {} were taken up, in {:.0f} ms; {} "
      "inputs, "
      "{:.0f} us of the processor a saga\n",
      crowd, p99(lived.outcome.beside), p99(lived.outcome.meanwhile), lived.outcome.taken_up,
      static_cast<double>(lived.outcome.taking.count()) / 1e6, lived.outcome.inputs, lived.micros);
  return lived;
}

}  // namespace

int main(int argc, char** argv) {
  const auto small = flotilla::parse_int<std::size_t>(argc > 1 ? argv[1] : "1000");
  const auto large = flotilla::parse_int<std::size_t>(argc > 2 ? argv[2] : "30000");
  if (!small || !large || *small == 0) {
    std::cerr << "usage: saga_crowd SMALL LARGE\n";
    return 2;
  }
  const Lived none = lived(0);
  const Lived few = lived(*small);
  const Lived many = lived(*large);
  const std::pair<const Lived*, const Lived*> pairs[] = {{&none, &few}, {&none, &many}, {&few, &many}};
  for (const auto& [smaller, larger] : pairs) {
    if (const std::string wrong = compare(smaller->outcome, larger->outcome); !wrong.empty()) {
      std::cerr << wrong << "\n";
      return 1;
    }
  }
  if (many.micros > few.micros * kMostTime) {
    std::cerr << fmt::format(
        "L4: a saga of the large crowd takes {:.0f} us of the processor, one of the small {:.0f}\n",
        many.micros, few.micros);
    return 1;
  }
  return 0;
}
