// One engine on one worker's loop, and everything that carries its effects out.
//
// For: runner.hpp, which hands requests and inputs over. A saga belongs to the shard that shard_of() names,
// for as long as the process runs, or has the lease of that shard of the journal.
// It sends an attempt only while the lease outlasts it: whoever has the shard next may then rely on it that
// nothing of ours is on its way for longer than the lease.
// Appends go to the journal, requests through the worker's Carrier, waits on its timers. What the journal has
// not confirmed has not happened: an append that failed makes the engine drop the saga and read it again.
// Ownership: owned by the runner, made and destroyed on its loop; destroying it ends every wait and request
// under way, as a crash would. Threads: its loop's, but for ShardCommons.
// Limits: kMaxInbox inputs wait for a saga that is being read.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "flotilla/net/scope.hpp"
#include "flotilla/saga/carrier.hpp"
#include "flotilla/saga/core/engine.hpp"
#include "flotilla/saga/saga_lists.hpp"
#include "flotilla/saga/saga_metrics.hpp"
#include "flotilla/saga/saga_store.hpp"
#include "flotilla/saga/service.hpp"
#include "flotilla/saga/shared_locks.hpp"
#include "flotilla/saga/topic_directory.hpp"

namespace flotilla::saga {

// What a worker lends. Used on its loop only.
struct ShardHost {
  net::Loop* loop = nullptr;
  std::shared_ptr<Carrier> carrier;
};

// What the shards of a process share.
struct ShardCommons {
  explicit ShardCommons(journal::Journal& journal) : store(journal, shelf) {}

  DefinitionShelf shelf;
  SagaStore store;
  SharedLocks locks;
  TopicDirectory topics;
  SagaMetrics metrics;
  KeyMaterial keys;
  std::uint32_t shards = 1;
  std::uint64_t seed = 1;
  std::string callback_base;  // Saga-Callback is this and the key; empty: none is offered
  Duration recovery_gap{0};   // between the first requests of recovered sagas, per service and shard
  std::function<void(SagaId, Input)> route;  // to the shard that has the saga; from any thread
};

// Which one a shard is.
struct ShardSeat {
  std::uint32_t index = 0;  // of shard_of()
  Place place;              // where its sagas lie in the journal
  std::uint64_t epoch = 0;  // of the lease of that place, under which all of it is written
};

class Shard {
 public:
  Shard(ShardCommons& commons, ShardHost host, ShardSeat seat);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  // For a saga of this shard; reads it first if it is not in memory.
  void deliver(SagaId saga, Input input);
  // Takes sagas up that a process before left, a few at a time.
  [[nodiscard]] net::Task<> recover(std::vector<SagaId> sagas);

  // The requests of service.hpp; an input's waiter is set here.
  struct Started {
    SagaId saga;
    bool existing = false;
  };
  [[nodiscard]] net::Task<Asked<Started>> start(input::Submit submit);
  [[nodiscard]] net::Task<Asked<effect::Reply::What>> ask(SagaId saga, Input input);
  [[nodiscard]] net::Task<Asked<SagaView>> show(SagaId saga, bool timeline);
  // As it is at its end, or suspended, or when `wait` is over.
  [[nodiscard]] net::Task<Asked<SagaView>> end_of(SagaId saga, Duration wait);
  // The index of a step by its name. Errors: not_found (the saga, the step).
  [[nodiscard]] net::Task<Asked<StepIndex>> find_step(SagaId saga, std::string name);
  // The definition of that hash; without one, the file's current one of the saga's name. Error: not_found.
  [[nodiscard]] net::Task<Asked<DefinitionPtr>> migration_target(SagaId saga, std::string hash);

  // Sends nothing more and answers who waits; until what is under way has ended, or `deadline`.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  // Runs beside the others until it ends or the shard does.
  void spawn(net::Task<> task) { tasks_.spawn(std::move(task)); }
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  // Until when the lease was known to be ours when something was sent last.
  [[nodiscard]] Instant leased_until() const noexcept { return leased_until_; }

 private:
  struct Asking;
  struct EndWait;
  // Of a saga in memory, beside what the engine has.
  struct Kept {
    Kept(Shard& shard, SagaId saga);
    Shard& shard;
    SagaId saga;
    std::optional<journal::StreamId> stream;  // none until its first batch is committed
    net::Timer wake;
    SagaCounters* counters = nullptr;
    bool live = false;  // counted as such
    bool suspended = false;
  };
  struct Arriving {
    std::vector<Input> inputs;
    bool required = false;  // read until it can be read
  };

  // shard.cpp
  void feed(Input input);
  void carry_out(effect::Append& append);
  void carry_out(effect::Send& send);
  void carry_out(const effect::Wake& wake);
  void carry_out(effect::Reply& reply);
  void carry_out(const effect::Alert& alert);
  void carry_out(const effect::Changed& changed);
  void carry_out(effect::Tell& tell);
  void carry_out(const effect::Reload& reload);
  void carry_out(const effect::Ended& ended);
  void carry_out(const effect::Stop& stop);
  [[nodiscard]] net::Task<> send(effect::Send send);
  [[nodiscard]] net::Task<> start_child(StartChild child);
  [[nodiscard]] net::Task<> find_child(Input message, Parent parent, std::string key);
  [[nodiscard]] Kept& keep(SagaId saga);
  void forget(SagaId saga, const SagaState* last);
  // Of a saga in memory; else those of no name.
  [[nodiscard]] SagaCounters& counters_of(SagaId saga);
  [[nodiscard]] Instant pace(const effect::Send& send);
  [[nodiscard]] bool is_wanted(const effect::Send& send) const;
  // Whether an attempt of that length may be sent now.
  [[nodiscard]] bool lease_outlasts(Duration timeout);
  // Waits until it may. False: this shard sends nothing more.
  [[nodiscard]] net::Task<bool> await_lease(Duration timeout);

  // shard_journal.cpp
  [[nodiscard]] net::Task<> append(effect::Append append);
  void appended(const effect::Append& append, const SagaBatch& batch, const journal::Appended& done);
  [[nodiscard]] net::Task<input::AppendFailed> failure_of(const effect::Append& append,
                                                          const journal::AppendError& error);
  [[nodiscard]] net::Task<input::AppendFailed> refused_by_lock(const effect::Append& append);
  void release_locks(SagaId saga);
  [[nodiscard]] net::Task<> fetch(SagaId saga, Duration pause);
  void settle(SagaId saga, std::optional<LoadedSaga> loaded);
  void refuse_arrivals(Arriving& arriving, const Error& error);

  // shard_requests.cpp
  // The state as the engine has it, or else as the journal does.
  [[nodiscard]] net::Task<Asked<SeenSaga>> look(SagaId saga, bool timeline);

  ShardCommons& commons_;
  ShardHost host_;
  const ShardSeat seat_;
  Instant leased_until_;
  Engine engine_;
  std::deque<Input> inputs_;  // while feed() is at work
  bool feeding_ = false;
  bool draining_ = false;
  bool stopped_ = false;
  std::uint32_t sending_ = 0;
  std::uint32_t appending_ = 0;
  std::uint32_t recovering_loads_ = 0;
  net::Event idle_;  // one of them went down
  Waiter next_waiter_ = 1;
  std::unordered_map<Waiter, Asking*> asking_;
  std::unordered_multimap<SagaId, EndWait*> end_waits_;
  std::unordered_map<SagaId, std::unique_ptr<Kept>> kept_;
  std::unordered_map<SagaId, Arriving> arriving_;
  std::unordered_set<SagaId> paced_;                         // recovered, and nothing sent since
  std::unordered_map<std::string, Instant> next_paced_;      // by service
  std::unordered_map<std::string, SagaCounters*> counters_;  // by name
  net::Scope tasks_;                                         // last: its tasks use the others
};

}  // namespace flotilla::saga
