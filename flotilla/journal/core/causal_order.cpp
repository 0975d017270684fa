#include "flotilla/journal/core/causal_order.hpp"

#include <algorithm>
#include <unordered_map>

namespace flotilla::journal {

void settle_order(std::vector<Moment>& moments) {
  std::unordered_map<std::string_view, std::size_t> by_id;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    if (!moments[i].id.empty()) {
      by_id.try_emplace(moments[i].id, i);
    }
  }
  bool moved = true;
  for (int round = 0; moved && round < kRounds; ++round) {
    moved = false;
    for (std::size_t i = 0; i < moments.size(); ++i) {
      Moment& each = moments[i];
      const bool first = i == 0 || moments[i - 1].shard != each.shard;
      std::int64_t ms = first ? each.ms : std::max(each.ms, moments[i - 1].ms);
      const auto cause = each.cause.empty() ? by_id.end() : by_id.find(each.cause);
      if (cause != by_id.end() && moments[cause->second].shard != each.shard) {
        ms = std::max(ms, moments[cause->second].ms + 1);
      }
      moved = moved || ms != each.ms;
      each.ms = ms;
    }
  }
}

}  // namespace flotilla::journal
