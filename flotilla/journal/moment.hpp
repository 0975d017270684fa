// How far all shards of a journal had come at one moment.
//
// For: whoever reads several shards and must not see an effect without its cause: where something up to these
// positions was written after another thing was acknowledged, that is up to them, too. In a store that has
// one writer each position is known here; a shared one is asked. Ownership: part of a Journal. Threads: any;
// the Task belongs on a loop. Limits: kMaxShards.
#pragma once

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/read_token.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::journal {

class Journal;

// What a store that others write, too, has beside Journal.
class Moments {
 public:
  virtual ~Moments() = default;
  // Errors: as of reads.
  virtual void positions(Done<Result<ReadToken>> done) = 0;
};

[[nodiscard]] net::Task<Result<ReadToken>> positions(Journal& journal);

}  // namespace flotilla::journal
