// saga_small_space SHARD SHARDS: the exhaustive small space of the saga engine, or every SHARDS-th case of
// it.
//
// Exit 1 with the run that goes wrong. The number of runs of each shard is pinned in CMakeLists.txt, so that
// the space cannot shrink unseen.
#include <chrono>
#include <iostream>

#include "flotilla/base/text.hpp"
#include "flotilla/saga/core/simulation/small_space.hpp"

int main(int argc, char** argv) {
  using namespace flotilla::saga::simulation;
  const auto shard = flotilla::parse_int<std::size_t>(argc > 1 ? argv[1] : "0");
  const auto shards = flotilla::parse_int<std::size_t>(argc > 2 ? argv[2] : "1");
  if (!shard || !shards || *shards == 0) {
    std::cerr << "usage: saga_small_space SHARD SHARDS\n";
    return 2;
  }
  SmallSpace space;
  std::uint64_t runs = 0;
  for (std::size_t i = *shard; i < space.bases().size(); i += *shards) {
    const SmallSpace::Tried tried = space.all_of(i);
    runs += tried.runs;
    if (!tried.violation.empty()) {
      std::cerr << tried.violation << "\n";
      return 1;
    }
  }
  std::cout << space.bases().size() << " cases, of which every " << *shards << ". here: " << runs
            << " runs\n";
  return 0;
}
