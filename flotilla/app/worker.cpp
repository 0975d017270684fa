#include "flotilla/app/worker.hpp"

#include <future>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/saga/attempt.hpp"

namespace flotilla::app {
namespace {

constexpr Duration kSweepEvery = std::chrono::seconds(5);
// How long connections of a gateway that left the file may go on.
constexpr Duration kRetireGrace = std::chrono::seconds(10);

http::ServerLimits to_server_limits(const gateway::GatewayLimits& limits) {
  return {.head = limits.head,
          .body = limits.body,
          .header_timeout = limits.header_timeout,
          .body_timeout = limits.body_timeout,
          .idle = limits.idle,
          .connections = limits.connections};
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(std::uint32_t index, const discovery::Directory& directory,
                                              std::uint64_t seed, telemetry::AccessLog* access_log,
                                              saga::Sagas* sagas, call::DurableQueue* later,
                                              cqrs::ViewReader* views, cqrs::CommandRunner* commands) {
  auto loop = net::Loop::create();
  if (!loop) {
    return std::unexpected(loop.error());
  }
  auto resolver = net::Resolver::create(**loop);
  if (!resolver) {
    return std::unexpected(resolver.error());
  }
  std::unique_ptr<Worker> worker(new Worker(index, directory, seed, access_log, sagas, views, commands,
                                            std::move(*loop), std::move(*resolver)));
  worker->caller_.set_later(later);
  worker->thread_ = std::thread([w = worker.get()] { w->loop_->run(); });
  worker->run([w = worker.get()] {
    w->tasks_ = std::make_unique<net::Scope>();
    w->tasks_->spawn(w->sweep_forever());
  });
  return worker;
}

Worker::Worker(std::uint32_t index, const discovery::Directory& directory, std::uint64_t seed,
               telemetry::AccessLog* access_log, saga::Sagas* sagas, cqrs::ViewReader* views,
               cqrs::CommandRunner* commands, std::unique_ptr<net::Loop> loop,
               std::unique_ptr<net::Resolver> resolver)
    : index_(index),
      directory_(directory),
      seed_(seed),
      access_log_(access_log),
      sagas_(sagas),
      views_(views),
      commands_(commands),
      loop_(std::move(loop)),
      resolver_(std::move(resolver)),
      caller_(*loop_, *resolver_, index, seed) {}

Worker::~Worker() {
  run([this] {
    tasks_.reset();
    serving_.clear();
    table_.reset();
    instances_.clear();
    runtime_.reset();
  });
  loop_->stop();
  thread_.join();
}

void Worker::run(std::move_only_function<void()> function) {
  std::promise<void> done;
  loop_->post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

Result<> Worker::prepare(const std::shared_ptr<const Runtime>& runtime) {
  Result<> opened;
  run([&] { opened = open_missing(*runtime); });
  return opened;
}

Result<> Worker::open_missing(const Runtime& runtime) {
  opened_.clear();
  const auto table = table_of(runtime);
  if (table_ == nullptr) {
    table_ = table;  // sagas that were left begin before the first commit
  }
  for (const auto& gateway : runtime.gateways) {
    const auto known = serving_.find(gateway->name);
    if (known != serving_.end() && known->second.listen == gateway->listen) {
      continue;
    }
    // A gateway that moves to another address is opened under a key of its own until commit.
    const std::string key = known == serving_.end() ? gateway->name : gateway->name + "@" + gateway->listen;
    Serving serving{.handler = std::make_unique<gateway::GatewayHandler>(
                        caller_, gateway::make_view(gateway, table, index_, sagas_, views_, commands_),
                        Random(seed_ ^ std::hash<std::string>{}(gateway->name)), access_log_),
                    .server = nullptr,
                    .listen = gateway->listen};
    serving.server =
        std::make_unique<http::Server>(*loop_, to_server_limits(gateway->limits), *serving.handler);
    const auto address = net::SocketAddress::parse(gateway->listen);
    const auto listening = address ? serving.server->listen(*address) : std::unexpected(address.error());
    if (!listening) {
      for (const std::string& undo : opened_) {
        serving_.erase(undo);
      }
      return fail(listening.error().code,
                  fmt::format("gateway '{}': {}", gateway->name, listening.error().message));
    }
    serving_.insert_or_assign(key, std::move(serving));
    opened_.push_back(key);
  }
  return {};
}

void Worker::commit(const std::shared_ptr<const Runtime>& runtime) {
  run([&] {
    std::unordered_map<std::string, Serving> next;
    const auto table = table_of(*runtime);
    for (const auto& gateway : runtime->gateways) {
      auto found = serving_.find(gateway->name + "@" + gateway->listen);
      if (found == serving_.end()) {
        found = serving_.find(gateway->name);
      }
      Serving serving = std::move(found->second);
      serving_.erase(found);
      serving.handler->set_view(gateway::make_view(gateway, table, index_, sagas_, views_, commands_));
      serving.server->set_limits(to_server_limits(gateway->limits));
      next.emplace(gateway->name, std::move(serving));
    }
    for (auto& [name, gone] : serving_) {
      tasks_->spawn(retire(std::move(gone)));
    }
    serving_ = std::move(next);
    opened_.clear();
    runtime_ = runtime;
    table_ = table;
    for (const auto& [name, service] : *table) {
      service->instances->follow(*service->service);
    }
    std::erase_if(instances_, [&](const auto& entry) { return table->find(entry.first) == nullptr; });
  });
}

std::shared_ptr<const call::ServiceTable> Worker::table_of(const Runtime& runtime) {
  auto table = std::make_shared<call::ServiceTable>();
  for (const auto& service : runtime.services) {
    auto& instances = instances_[service->name()];
    if (!instances) {
      instances = std::make_shared<call::InstanceSet>(*loop_, directory_, answers_, index_,
                                                      seed_ + instances_.size());
      instances->follow(*service);
    }
    table->add({service, instances, &service->metrics().of(index_)});
  }
  return table;
}

net::Task<> Worker::retire(Serving serving) { co_await serving.server->drain(loop_->now() + kRetireGrace); }

void Worker::begin_drain(Duration grace, std::function<void()> done) {
  loop_->post(
      [this, grace, done = std::move(done)]() mutable { tasks_->spawn(drain_all(grace, std::move(done))); });
}

net::Task<> Worker::drain_all(Duration grace, std::function<void()> done) {
  const auto drain_one = [](http::Server& server, Instant deadline) -> net::Task<> {
    co_await server.drain(deadline);
  };
  net::Scope draining;
  for (auto& [name, serving] : serving_) {
    draining.spawn(drain_one(*serving.server, loop_->now() + grace));
  }
  co_await draining.join();
  done();
}

net::Task<> Worker::sweep_forever() {
  for (;;) {
    co_await net::sleep_for(*loop_, kSweepEvery);
    for (const auto& [name, instances] : instances_) {
      instances->sweep();
    }
  }
}

saga::ShardHost Worker::saga_host() {
  return {.loop = loop_.get(),
          .carrier = std::make_shared<saga::CallCarrier>(*loop_, caller_, [this] { return table_; })};
}

events::DeliveryHost Worker::delivery_host() {
  return {.loop = loop_.get(),
          .carrier = std::make_shared<events::CallDelivery>(*loop_, caller_, [this] { return table_; })};
}

events::QueueHost Worker::queue_host() {
  return {.loop = loop_.get(),
          .carrier = std::make_shared<events::CallQueueCarrier>(*loop_, caller_, [this] { return table_; })};
}

cqrs::CommandHost Worker::command_host() {
  return {.loop = loop_.get(),
          .checks = std::make_shared<cqrs::CallCheck>(*loop_, caller_, [this] { return table_; })};
}

const http::ServerCounters* Worker::counters(const std::string& gateway) const {
  const auto found = serving_.find(gateway);
  return found == serving_.end() ? nullptr : &found->second.server->counters();
}

}  // namespace flotilla::app
