// One worker: a thread with a loop that serves every gateway.
//
// Ownership: owns its thread, loop, connections and views; shares policies and catalog with the others.
// Threads: public functions are called from the control thread and wait for the worker to have done it.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "flotilla/app/runtime.hpp"
#include "flotilla/call/caller.hpp"
#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/discovery/directory.hpp"
#include "flotilla/events/queue_shard.hpp"
#include "flotilla/events/subscription_shard.hpp"
#include "flotilla/gateway/handler.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/net/resolver.hpp"
#include "flotilla/saga/shard.hpp"

namespace flotilla::app {

class Worker {
 public:
  // `access_log`, `sagas`, `later`, `views` and `commands` may be nullptr, and outlive the worker.
  [[nodiscard]] static Result<std::unique_ptr<Worker>> start(
      std::uint32_t index, const discovery::Directory& directory, std::uint64_t seed,
      telemetry::AccessLog* access_log, saga::Sagas* sagas, call::DurableQueue* later,
      cqrs::ViewReader* views, cqrs::CommandRunner* commands);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Opens the listeners that `runtime` has and the worker has not; they answer only after commit(). On an
  // error those are closed again and nothing has changed.
  [[nodiscard]] Result<> prepare(const std::shared_ptr<const Runtime>& runtime);
  // Requests that begin from now on see `runtime`; gateways it does not have are drained.
  void commit(const std::shared_ptr<const Runtime>& runtime);
  // Stops accepting and finishes what was asked, until `grace` has passed. Returns at once.
  void begin_drain(Duration grace, std::function<void()> done);

  // What a shard of sagas needs of this worker; valid after prepare().
  [[nodiscard]] saga::ShardHost saga_host();
  [[nodiscard]] net::Loop& loop() noexcept { return *loop_; }
  // The same for subscriptions.
  [[nodiscard]] events::DeliveryHost delivery_host();
  // The same for queues.
  [[nodiscard]] events::QueueHost queue_host();
  // The same for commands.
  [[nodiscard]] cqrs::CommandHost command_host();

  // Counters of the gateway's server on this worker; nullptr if there is none. Any thread may read them.
  [[nodiscard]] const http::ServerCounters* counters(const std::string& gateway) const;

 private:
  struct Serving {
    std::unique_ptr<gateway::GatewayHandler> handler;
    std::unique_ptr<http::Server> server;
    std::string listen;
  };

  Worker(std::uint32_t index, const discovery::Directory& directory, std::uint64_t seed,
         telemetry::AccessLog* access_log, saga::Sagas* sagas, cqrs::ViewReader* views,
         cqrs::CommandRunner* commands, std::unique_ptr<net::Loop> loop,
         std::unique_ptr<net::Resolver> resolver);
  // Runs `function` on the worker's loop and waits for it.
  void run(std::move_only_function<void()> function);
  Result<> open_missing(const Runtime& runtime);
  std::shared_ptr<const call::ServiceTable> table_of(const Runtime& runtime);
  net::Task<> drain_all(Duration grace, std::function<void()> done);
  net::Task<> retire(Serving serving);
  net::Task<> sweep_forever();

  std::uint32_t index_;
  const discovery::Directory& directory_;
  std::uint64_t seed_;
  telemetry::AccessLog* access_log_;
  saga::Sagas* sagas_;
  cqrs::ViewReader* views_;
  cqrs::CommandRunner* commands_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Resolver> resolver_;
  http::ObjectPool<http::detail::Answer> answers_;
  call::Caller caller_;
  std::shared_ptr<const Runtime> runtime_;
  std::shared_ptr<const call::ServiceTable> table_;  // of the configuration that is in force
  std::unordered_map<ServiceName, std::shared_ptr<call::InstanceSet>> instances_;
  std::unordered_map<std::string, Serving>
      serving_;                      // by gateway; changed on the control thread's behalf only
  std::vector<std::string> opened_;  // by prepare, not committed yet
  std::unique_ptr<net::Scope> tasks_;
  std::thread thread_;
};

}  // namespace flotilla::app
