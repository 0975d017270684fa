#include "flotilla/journal/moment.hpp"

#include "flotilla/journal/journal.hpp"

namespace flotilla::journal {

net::Task<Result<ReadToken>> positions(Journal& journal) {
  if (auto* const shared = dynamic_cast<Moments*>(&journal)) {
    Reply<Result<ReadToken>> reply;
    shared->positions(reply.send());
    co_return co_await reply;
  }
  ReadToken ends(journal.shards());
  for (std::uint32_t shard = 0; shard < ends.shards(); ++shard) {
    ends.move_to(journal.position(shard));
  }
  co_return ends;
}

}  // namespace flotilla::journal
