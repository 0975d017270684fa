// A lane: the thread and the connection that write some of the shards of the shared store.
//
// For: PostgresJournal. A shard is always written by the same lane, so its order holds; several lanes let the
//   server commit several transactions at once. Whatever waits for a lane is one transaction, sent as one
//   pipeline: BEGIN, an append for each batch, COMMIT, and then one wait.
// A lost connection: what was under way is looked up over a new one, whose entering of the shards keeps the
// old
//   one from committing later. So an append is answered with what became of it, or with Effect::unknown,
//   where it was committed and the answer was lost, or the server stays away for longer than
//   `resolve_within`.
// Ownership: owns its thread and connection; destroying it tries what is queued once and answers all of it.
// Threads: submit(), health() from any. Limits: those of Options.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/postgres.hpp"
#include "flotilla/journal/postgres_batch.hpp"

namespace flotilla::journal::pg {

class Lane {
 public:
  struct Options {
    const Address& address;
    std::size_t queue_batches = 4096;
    std::size_t queue_bytes = std::size_t{16} << 20;
    Millis statement_timeout{10'000};
    Millis resolve_within{5000};
    Millis retry_every{500};
    std::function<UtcMillis()> now;
  };
  // What it needs of the journal; called on its thread.
  struct Port {
    std::function<void(std::uint32_t shard, std::span<const RecordPtr>)> publish;
    std::function<void(Position)> moved_on;  // of what was committed without records at hand
    std::function<std::shared_ptr<const Retention>()> retention;
    std::function<void(std::function<void(Metrics&)>)> count;  // one lane at a time
  };

  Lane(Options options, Port port);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  // Refuses when the queue is full.
  void submit(Batch batch, Done<AppendResult> done);
  [[nodiscard]] Health health() const;

 private:
  struct Request {
    Batch batch;
    Done<AppendResult> done;
    std::size_t bytes;
  };
  using Group = std::vector<Request>;
  enum class Fate : std::uint8_t { committed, not_committed, unknown };

  void run();
  [[nodiscard]] Group take_group();
  void commit_group(Group& group);
  // Nothing: it may be tried again at once.
  [[nodiscard]] std::optional<std::vector<Judged>> try_group(const Group& group, bool last,
                                                             StoreUnavailable& error);
  [[nodiscard]] bool connect();
  [[nodiscard]] std::expected<void, Failure> prepare_for(const Group& group, const Retention& retention);
  [[nodiscard]] std::expected<void, Failure> enter(std::uint32_t shard, std::uint64_t epoch);
  [[nodiscard]] std::expected<void, Failure> add_categories(const Group& group);
  [[nodiscard]] std::expected<void, Failure> open_period(RecordClass record_class, std::int64_t retain);
  [[nodiscard]] Fate resolve(const Group& group);
  [[nodiscard]] std::optional<Fate> look_up(const std::map<std::uint32_t, std::uint64_t>& shards);
  void accept(Group& group, std::vector<Judged>& results, Duration took);
  void answer_all(Group& group, const StoreUnavailable& error);
  void probe();
  void fail_with(std::string reason);
  void set_health(Health health);

  const Options options_;
  const Port port_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> queue_;  // guarded by mutex_, as the next three
  std::size_t queue_bytes_ = 0;
  bool stopping_ = false;
  Health health_;

  // The lane's thread alone.
  std::unique_ptr<Connection> connection_;
  std::int64_t session_ = 0;                        // of the connection
  std::int64_t group_ = 0;                          // of the newest transaction
  std::map<std::uint32_t, std::uint64_t> entered_;  // shard to epoch, by this connection
  std::set<std::string> categories_;                // that are known to be in the store
  std::map<std::pair<RecordClass, std::int64_t>, std::int64_t> periods_;  // when the newest was opened
  bool lost_to_rival_ = false;                                            // the newest transaction did
  bool failing_ = false;
  Instant next_try_;
  Duration pause_{};  // before the next try to connect

  std::thread thread_;
};

}  // namespace flotilla::journal::pg
