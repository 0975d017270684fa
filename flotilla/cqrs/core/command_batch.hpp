// A command's commit as one batch of the journal: events, their copies in topics, reply, claims, snapshot.
//
// The reply's record is the last one, so its position is that of the batch: whoever is told of the reply
// later is given the position that the first one was given. Ownership: values. Threads: pure functions.
// Limits: those of a Batch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/journal/core/batch.hpp"

namespace flotilla::cqrs {

// The streams of topics that are known, by journal::topic_key().
using TopicStreams = std::map<std::string, journal::StreamId, std::less<>>;

// Where the batch goes.
struct CommandPlace {
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;
  std::uint64_t epoch = 0;
};

struct CommandBatch {
  journal::Batch batch;
  // By the order of what it creates: topic_key() of topics, empty for other streams.
  std::vector<std::string> created;
};

[[nodiscard]] CommandBatch make_batch(const effect::Commit& commit, const TopicStreams& topics,
                                      CommandPlace place);

}  // namespace flotilla::cqrs
