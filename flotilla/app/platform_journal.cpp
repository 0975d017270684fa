// The platform's parts that live on the journal, or serve what does: how they are opened and started, and the
// application API in front of them.
#include "flotilla/admin/core/control_guard.hpp"
#include "flotilla/app/erasure_views.hpp"
#include "flotilla/app/platform.hpp"
#include "flotilla/app/topic_config.hpp"
#include "flotilla/cqrs/redis_protocol.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/tls_client.hpp"
#include "flotilla/saga/forward.hpp"
#include "flotilla/saga/saga_store.hpp"

namespace flotilla::app {
namespace {

http::Response problem(Reason reason, std::string_view detail) {
  return http::problem_response({.reason = reason, .detail = detail});
}

// What would be known too late otherwise: that a library or a file is missing.
Result<> check_stores(const StoresConfig& stores) {
  if (stores.views) {
    if (auto hiredis = cqrs::RedisProtocol::load(); !hiredis) {
      return std::unexpected(hiredis.error());
    }
  }
  const auto check = [](const net::TlsFiles& files, std::string_view key) -> Result<> {
    if (auto usable = net::TlsClient::create(files, "localhost"); !usable) {
      return fail(usable.error().code, fmt::format("stores.{}: {}", key, usable.error().message));
    }
    return {};
  };
  if (stores.views && stores.views->tls) {
    if (auto checked = check(stores.views->files, "views"); !checked) {
      return checked;
    }
  }
  return stores.kafka && stores.kafka->access.tls ? check(stores.kafka->access.files, "events") : Result<>();
}

}  // namespace

// Sagas, topics, queues, views, commands and choreographies, none of which is at work yet.
Result<> Platform::open_journal(const ConfigFile& file, std::uint64_t seed) {
  auto sagas = SagaHost::open(file, seed);
  if (!sagas) {
    return std::unexpected(sagas.error());
  }
  sagas_ = std::move(*sagas);
  events_ = std::make_unique<EventHost>(sagas_->journal(), file.topics, seed);
  queues_ = std::make_unique<QueueHost>(sagas_->journal(), seed, api_base(file));
  if (auto checked = check_stores(file.stores); !checked) {
    return checked;
  }
  events_->set_readers(views_of_topics(file), file.personal);
  views_ = std::make_unique<ViewHost>(sagas_->journal(), file.stores.views);
  commands_ = std::make_unique<CommandHost>(sagas_->journal(), seed, file);
  events_->erasure().set_rebuild(rebuild_views(views_->runner()));
  choreographies_ = std::make_unique<ChoreographyHost>(sagas_->journal(), sagas_->sagas(),
                                                       [this] { return events_->running(); });
  return share_queues();
}

Result<> Platform::open_workers(const std::shared_ptr<const Runtime>& runtime, std::uint64_t seed) {
  if (!journal_path(runtime->file).empty()) {
    if (auto opened = open_journal(runtime->file, seed); !opened) {
      return opened;
    }
  }
  for (std::uint32_t i = 0; i < runtime->workers; ++i) {
    auto worker =
        Worker::start(i, directory_, seed + i + 1, access_log_.get(), sagas_ ? &sagas_->sagas() : nullptr,
                      queues_ ? &queues_->runner() : nullptr, views_ ? &views_->reader() : nullptr,
                      commands_ ? &commands_->runner() : nullptr);
    if (!worker) {
      return std::unexpected(worker.error());
    }
    workers_.push_back(std::move(*worker));
  }
  if (queues_) {  // before the first listener: a call may have to go behind those that wait
    std::vector<events::QueueHost> hosts;
    for (const auto& worker : workers_) {
      hosts.push_back(worker->queue_host());
    }
    queues_->runner().start(queues_of(runtime->file), std::move(hosts));
  }
  for (const auto& worker : workers_) {
    if (auto prepared = worker->prepare(runtime); !prepared) {
      return std::unexpected(prepared.error());
    }
  }
  if (sagas_) {
    std::vector<saga::ShardHost> hosts;
    for (const auto& worker : workers_) {
      hosts.push_back(worker->saga_host());
    }
    sagas_->runner().start(std::move(hosts));
  }
  if (commands_) {  // before the first request
    std::vector<cqrs::CommandHost> hosts;
    for (const auto& worker : workers_) {
      hosts.push_back(worker->command_host());
    }
    commands_->start(runtime->file, std::move(hosts));
  }
  for (const auto& worker : workers_) {
    worker->commit(runtime);
  }
  if (events_) {
    std::vector<events::DeliveryHost> hosts;
    for (const auto& worker : workers_) {
      hosts.push_back(worker->delivery_host());
    }
    std::vector<net::Loop*> loops;
    for (const auto& worker : workers_) {
      loops.push_back(&worker->loop());
    }
    views_->runner().start(runtime->file.views, loops);
    choreographies_->start(runtime->file, std::move(loops));
    if (auto opened = open_kafka(runtime->file, seed); !opened) {
      return opened;
    }
    return events_->start_subscriptions(
        runtime->file.subscriptions, std::move(hosts),
        [this](const ServiceName& service) { return runtime_->service(service) != nullptr; });
  }
  return {};
}

// What processes ask each other of queues is sealed as what they ask of sagas is.
Result<> Platform::share_queues() {
  if (sagas_->journal().shards() == 1) {
    return {};
  }
  saga::DefinitionShelf none;
  auto keys = saga::SagaStore(sagas_->journal(), none).keys();
  if (!keys) {
    return std::unexpected(std::move(keys.error()));
  }
  queues_->runner().share([keys = *keys](std::string_view bytes) { return saga::seal(keys, bytes); });
  return {};
}

Result<> Platform::open_kafka(const ConfigFile& file, std::uint64_t seed) {
  if (!file.stores.kafka) {
    return {};
  }
  kafka_ = std::make_unique<events::KafkaBridge>(sagas_->journal(), *file.stores.kafka, seed);
  return kafka_->start(file.topics, workers_.back()->loop());
}

net::Task<http::Response> Platform::show_kafka(http::Request request) {
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (kafka_ == nullptr) {
    co_return problem(Reason::not_found, "the file names no Kafka; stores.events: kafka://HOST:PORT does");
  }
  co_return http::json_response(json::write(co_await kafka_->report()));
}

Result<> Platform::open_api(const ConfigFile& file) {
  const auto guard = std::make_shared<admin::ControlGuard>(
      admin::ControlGuardOptions{.listen_ip = net::SocketAddress::parse(file.api->listen)->ip(),
                                 .hosts = file.api->hosts,
                                 .token = file.api->token});
  const auto streams = [this, guard](const http::Request& request,
                                     http::Exchange& exchange) -> net::Task<bool> {
    const bool served = events_ != nullptr && events::Api::serves(request.target) && !guard->check(request);
    co_return served&& co_await events_->api().stream(request, exchange);
  };
  return serve(
      file.api->listen,
      [this, guard](http::Request request, net::SocketAddress peer) -> net::Task<http::Response> {
        if (request.target.starts_with(events::kQueueForwardPath) && queues_ != nullptr) {  // sealed, too
          co_return co_await queues_->runner().answer_forwarded(std::move(request));
        }
        // A callback's key is a token of its own.
        if (request.target == saga::kForwardPath && sagas_ != nullptr) {  // sealed
          co_return co_await sagas_->runner().answer_forwarded(std::move(request));
        }
        const bool callback = request.target.starts_with(saga::kCallbackPath);
        if (const auto refusal = callback ? guard->check_origin(request) : guard->check(request)) {
          co_return problem(refusal->reason, refusal->detail);
        }
        if (sagas_ == nullptr) {
          co_return problem(Reason::not_found,
                            "the file names no sagas, topics, queues, views, choreographies or aggregates");
        }
        if (events::CorrelationApi::serves(request.target)) {
          co_return co_await choreographies_->api().handle(std::move(request), peer);
        }
        if (cqrs::Api::serves(request.target)) {
          co_return co_await views_->api().handle(std::move(request), peer);
        }
        if (cqrs::CommandApi::serves(request.target)) {
          co_return co_await commands_->api().handle(std::move(request), peer);
        }
        if (events::SubscriptionApi::serves(request.target)) {
          co_return co_await events_->subscription_api().handle(std::move(request), peer);
        }
        if (events::QueueApi::serves(request.target)) {
          co_return co_await queues_->api().handle(std::move(request), peer);
        }
        if (events::Api::serves(request.target)) {
          co_return co_await events_->api().handle(std::move(request), peer);
        }
        co_return co_await sagas_->api().handle(std::move(request), peer);
      },
      streams);
}

}  // namespace flotilla::app
