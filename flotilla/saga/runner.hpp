// The runner: sagas over the workers of a process, durable in its journal.
//
// For: `app`, which opens it when the file names sagas, lends it the workers, and wires it as the Sagas of
// the API, the gateways and the command line.
// A saga belongs to one shard (shard.hpp), which is chosen where it is started: on the worker that was asked,
// so that most sagas never leave their thread; its id names the shard from then on. A repeated key may be
// asked for anywhere: the journal knows whose it is.
// A start reads the rows of what has not ended, builds the lock table, and serves; the sagas themselves are
// read, and taken up, while it serves: those that are asked for at once, the others a few at a time, their
// first requests at most `recovery_rate` a second for each service.
// In a journal of one shard there is a shard of sagas on each worker, and all of them are ours.
// In a journal of several, a shard of sagas lies in the journal's shard of that number; it is here while
// this process has the lease, on a worker that its number names (runner_shards.cpp). Then:
//   - a start goes to a shard that is here; those of definitions with locks, and of definitions that nest
//     one, go to shard 0, so that one owner has the lock table, and nested sagas lie in their parent's shard;
//   - what concerns a saga elsewhere is asked of its owner (forward.hpp), once: who is asked asks nobody
//     else. Showing, listing and counting need only the journal;
//   - a shard that is given back first ends what it has under way, one that was lost ends at once.
// Ownership: owns the shards; the journal outlives it, the workers' loops outlive stop().
// Threads: open(), start(), replace_definitions(), drain(), stop() and the destructor on the control thread;
// requests of service.hpp on any loop. Limits: those of engine.hpp, journal.hpp and service.hpp.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "flotilla/http/core/message.hpp"
#include "flotilla/saga/service.hpp"
#include "flotilla/saga/shard.hpp"

namespace flotilla::saga {

struct RunnerOptions {
  std::vector<DefinitionPtr> definitions;  // of the file
  std::string callback_base;          // "http://host:port/v1/callbacks/"; empty: services cannot call back
  std::uint32_t recovery_rate = 200;  // first requests of recovered sagas, a second, for each service
  std::uint64_t seed = 1;
  std::string own_address;  // as Ownership::owner_address() of other processes gives it; of a shared journal
};

class Runner final : public Sagas {
 public:
  // Blocks while the journal is read. Errors: those of the journal.
  [[nodiscard]] static Result<std::unique_ptr<Runner>> open(journal::Journal& journal, RunnerOptions options);
  ~Runner() override;

  // One shard on each. Blocks until they are there; recovery goes on behind.
  void start(std::vector<ShardHost> hosts);

  // What the file says after a reload; running sagas keep theirs. Blocks. Error: conflict (one that has open
  // sagas is gone; the message says how many, and the way out), and those of open(). Then nothing has
  // changed.
  [[nodiscard]] Result<> replace_definitions(const std::vector<DefinitionPtr>& definitions);

  // Sends nothing more and lets what is under way end, for at most `grace`; then calls `done` on a loop of a
  // shard. Sagas go on from where they are when a process starts again.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would. Blocks. Afterwards every request is refused as draining.
  void stop();

  // As it is at its end, or suspended, or when `wait`, at most kMaxWait, is over.
  [[nodiscard]] net::Task<Asked<SagaView>> end_of(SagaId saga, Duration wait);

  void collect(telemetry::MetricsPage& page) const;

  net::Task<Asked<StartResult>> start(StartRequest request) override;
  net::Task<Asked<SagaView>> show(SagaId saga, bool timeline) override;
  net::Task<Asked<SagaPage>> list(ListRequest request) override;
  net::Task<Asked<json::Value>> count(CountRequest request) override;
  net::Task<Asked<CancelResult>> cancel(CancelRequest request) override;
  net::Task<Asked<SignalResult>> signal(SignalRequest request) override;
  net::Task<Asked<SagaView>> operate(OperateRequest request) override;
  net::Task<Asked<std::monostate>> callback(CallbackRequest request) override;

  // What another process asks of us (an http::ApiHandler, at kForwardPath): nobody else can ask it.
  [[nodiscard]] net::Task<http::Response> answer_forwarded(http::Request request);

 private:
  struct Slot {
    std::uint32_t index = 0;
    ShardHost host;
    std::atomic<bool> serving{false};  // the shard is there, or about to be made by start()
    // The loop's thread alone.
    std::unique_ptr<Shard> shard;       // while it is here
    std::unique_ptr<net::Scope> tasks;  // reads, taking up, giving back; null before start() and after stop()
    std::uint64_t epoch = 0;            // of the lease under which it is here or being taken up; 0: none
    bool leaving = false;               // a shard before this one still ends what it has under way
    net::Event left;
  };
  // Whether what is elsewhere may be asked for there.
  enum class Hop : std::uint8_t { may_forward, here_only };

  explicit Runner(journal::Journal& journal) : commons_(journal) {}
  void deliver(SagaId saga, Input input);
  [[nodiscard]] Slot& slot_of(SagaId saga) { return *slots_[shard_of(saga, commons_.shards)]; }
  [[nodiscard]] bool is_shared() const noexcept { return commons_.store.journal().shards() > 1; }
  [[nodiscard]] Place place_of(std::uint32_t index) const noexcept;
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);
  // Of those that serve, one on this thread's loop, or else the next in turn. Null: none does.
  [[nodiscard]] Slot* any_slot();
  // One on this thread's loop, or else the next in turn, whether it serves or not.
  [[nodiscard]] Slot& slot_here();

  // runner_requests.cpp
  template <class T, class Make>
  [[nodiscard]] net::Task<Asked<T>> on(Slot& slot, Make make);
  // `make(Slot&)` needs no shard.
  template <class T, class Make>
  [[nodiscard]] net::Task<Asked<T>> read_on(Slot& slot, Make make);
  // Where a saga of it is started. Null: elsewhere.
  [[nodiscard]] Slot* slot_for(const Definition& definition);
  [[nodiscard]] net::Task<Asked<StartResult>> start(StartRequest request, Hop hop);
  [[nodiscard]] net::Task<Asked<CancelResult>> cancel(CancelRequest request, Hop hop);
  [[nodiscard]] net::Task<Asked<SignalResult>> signal(SignalRequest request, Hop hop);
  [[nodiscard]] net::Task<Asked<SagaView>> operate(OperateRequest request, Hop hop);
  [[nodiscard]] net::Task<Asked<std::monostate>> callback(CallbackRequest request, Hop hop);
  [[nodiscard]] net::Task<Asked<SagaView>> show_stored(SagaId saga, bool timeline);
  [[nodiscard]] bool must_forward(SagaId saga, Hop hop);
  // Asks the owner of that shard, or whoever, for any.
  [[nodiscard]] net::Task<Asked<json::Value>> forward(std::optional<std::uint32_t> shard, json::Value asked,
                                                      Duration wait);
  [[nodiscard]] net::Task<json::Value> answer_one(json::Value asked);

  // runner_shards.cpp: of a journal of several shards.
  void own(std::uint32_t index, std::uint64_t epoch);
  void disown(std::uint32_t index, std::uint64_t epoch, std::shared_ptr<void> hold);
  [[nodiscard]] net::Task<> take_up(Slot& slot, std::uint64_t epoch);
  [[nodiscard]] net::Task<> give_up(Slot& slot, std::unique_ptr<Shard> shard, std::shared_ptr<void> hold);

  ShardCommons commons_;
  std::string own_address_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Unfinished> unfinished_;  // between open() and start()
  std::uint32_t recovery_rate_ = 200;
  bool stopped_ = false;
  std::jthread releasing_;  // while draining a shared journal
  std::atomic<std::uint32_t> next_slot_{0};
  std::atomic<std::uint64_t> next_signal_{0};
  std::atomic<std::uint64_t> gained_{0};  // shards, and lost or given back
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace flotilla::saga
