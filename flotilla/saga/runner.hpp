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
// Ownership: owns the shards; the journal outlives it, the workers' loops outlive stop().
// Threads: open(), start(), replace_definitions(), drain(), stop() and the destructor on the control thread;
// requests of service.hpp on any loop. Limits: those of engine.hpp, journal.hpp and service.hpp.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/saga/service.hpp"
#include "flotilla/saga/shard.hpp"

namespace flotilla::saga {

struct RunnerOptions {
  std::vector<DefinitionPtr> definitions;  // of the file
  std::string callback_base;          // "http://host:port/v1/callbacks/"; empty: services cannot call back
  std::uint32_t recovery_rate = 200;  // first requests of recovered sagas, a second, for each service
  std::uint64_t seed = 1;
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

  // How long ended sagas are kept: as long as any definition that this process knows asks for, and never
  // less than a definition that does not say (definition_check.hpp), since the file may have lost theirs.
  struct Keep {
    Duration completed{0};
    Duration compensated{0};
  };
  [[nodiscard]] Keep longest_keep() const;

  // As it is at its end, or suspended, or when `wait`, at most kMaxWait, is over.
  [[nodiscard]] net::Task<Asked<SagaView>> end_of(SagaId saga, Duration wait);

  void collect(telemetry::MetricsPage& page) const;

  net::Task<Asked<StartResult>> start(StartRequest request) override;
  net::Task<Asked<SagaView>> show(SagaId saga, bool timeline) override;
  net::Task<Asked<SagaPage>> list(ListRequest request) override;
  net::Task<Asked<json::Value>> count() override;
  net::Task<Asked<CancelResult>> cancel(CancelRequest request) override;
  net::Task<Asked<SignalResult>> signal(SignalRequest request) override;
  net::Task<Asked<SagaView>> operate(OperateRequest request) override;
  net::Task<Asked<std::monostate>> callback(CallbackRequest request) override;

 private:
  struct Slot {
    net::Loop* loop = nullptr;
    std::unique_ptr<Shard> shard;  // the loop's thread alone; null before start() and after stop()
  };

  explicit Runner(journal::Journal& journal) : commons_(journal) {}
  void deliver(SagaId saga, Input input);
  [[nodiscard]] Slot& slot_of(SagaId saga) { return *slots_[shard_of(saga, commons_.shards)]; }
  // The one on this thread's loop, or else the next in turn.
  [[nodiscard]] Slot& any_slot();
  template <class T, class Make>
  [[nodiscard]] net::Task<Asked<T>> on(Slot& slot, Make make);
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);

  ShardCommons commons_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Unfinished> unfinished_;  // between open() and start()
  std::uint32_t recovery_rate_ = 200;
  bool stopped_ = false;
  std::atomic<std::uint32_t> next_slot_{0};
  std::atomic<std::uint64_t> next_signal_{0};
};

}  // namespace flotilla::saga
