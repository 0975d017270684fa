#include "flotilla/app/platform.hpp"

#include <algorithm>
#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/admin/core/control_guard.hpp"
#include "flotilla/app/erasure_views.hpp"
#include "flotilla/app/topic_config.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/cqrs/redis_protocol.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/http/core/problem.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/forward.hpp"
#include "flotilla/saga/saga_store.hpp"

namespace flotilla::app {
namespace {

ConfigErrors one(const Error& error) { return {error.message}; }

std::string joined(const ConfigErrors& errors) {
  std::string all;
  for (const std::string& line : errors) {
    all += (all.empty() ? "" : "\n") + line;
  }
  return all;
}

http::Response problem(Reason reason, std::string_view detail) {
  return {.status = default_status(reason),
          .headers = {{"Content-Type", "application/problem+json"},
                      {"Flotilla-Error", std::string(to_string(reason))}},
          .body = http::problem_body({.reason = reason, .detail = detail})};
}

// The registry's API behind the guard that every control port has.
http::ApiHandler guarded(http::ApiHandler handler, const RegistryConfig& config) {
  const auto guard = std::make_shared<admin::ControlGuard>(
      admin::ControlGuardOptions{.listen_ip = net::SocketAddress::parse(config.listen)->ip(),
                                 .hosts = config.hosts,
                                 .token = config.token,
                                 .consul_token = true});
  return [guard, handler = std::move(handler)](http::Request request,
                                               net::SocketAddress peer) -> net::Task<http::Response> {
    if (const auto refusal = guard->check(request)) {
      co_return http::Response{.status = 403,
                               .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
                               .body = "Permission denied: " + refusal->detail};
    }
    co_return co_await handler(std::move(request), peer);
  };
}

}  // namespace

Platform::Platform(std::string path) : path_(std::move(path)) {}

std::expected<std::unique_ptr<Platform>, ConfigErrors> Platform::start(const std::string& path) {
  net::block_signals({SIGHUP, SIGTERM, SIGINT});
  auto file = load_config(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::unique_ptr<Platform> platform(new Platform(path));
  if (auto opened = platform->open(std::move(*file)); !opened) {
    return std::unexpected(opened.error());
  }
  return platform;
}

Platform::~Platform() {
  tasks_.reset();
  control_servers_.clear();
  registry_.reset();
  instance_health_.reset();
  if (choreographies_) {
    choreographies_->stop();  // it asks for subscriptions
  }
  kafka_.reset();
  events_.reset();
  if (queues_) {
    queues_->runner().stop();  // calls under way ask it as long as there are workers
  }
  if (views_) {
    views_->runner().stop();
  }
  if (commands_) {
    commands_->runner().stop();
  }
  if (sagas_) {
    sagas_->stop();
  }
  workers_.clear();
  signals_.reset();
}

std::expected<void, ConfigErrors> Platform::open(ConfigFile file) {
  for (const std::string& warning : file.warnings) {
    log::warning("{}", warning);
  }
  auto loop = net::Loop::create();
  if (!loop) {
    return std::unexpected(one(loop.error()));
  }
  loop_ = std::move(*loop);
  auto resolver = net::Resolver::create(*loop_);
  if (!resolver) {
    return std::unexpected(one(resolver.error()));
  }
  resolver_ = std::move(*resolver);
  tasks_ = std::make_unique<net::Scope>();
  if (auto locked = lock_addresses(file); !locked) {
    return std::unexpected(one(locked.error()));
  }
  const std::uint32_t count =
      file.workers != 0 ? file.workers : std::max(std::thread::hardware_concurrency(), 1U);
  const auto seed = static_cast<std::uint64_t>(net::wall_now().ns_since_epoch);
  auto runtime = compile_runtime(std::move(file), count, net::monotonic_now(), seed, nullptr);
  if (!runtime) {
    return std::unexpected(one(runtime.error()));
  }
  if (const std::string& destination = (*runtime)->file.telemetry.access_log; !destination.empty()) {
    auto log = telemetry::AccessLog::open(destination, count);
    if (!log) {
      return std::unexpected(one(log.error()));
    }
    access_log_ = std::move(*log);
  }
  if (auto opened = open_workers(*runtime, seed); !opened) {
    return std::unexpected(one(opened.error()));
  }
  runtime_ = std::move(*runtime);
  if (auto opened = open_control(runtime_->file); !opened) {
    return std::unexpected(one(opened.error()));
  }
  auto signals =
      net::SignalSource::open(*loop_, {SIGHUP, SIGTERM, SIGINT}, [this](int signal) { on_signal(signal); });
  if (!signals) {
    return std::unexpected(one(signals.error()));
  }
  signals_ = std::move(*signals);
  instance_health_ = std::make_unique<discovery::InstanceHealth>(
      *loop_, *resolver_, [this](const auto&... told) { tell_health(told...); }, seed);
  follow_instances();
  return {};
}

// Asks the instances of services with `health`, of which there may be others than a moment ago.
void Platform::follow_instances() {
  std::vector<discovery::HealthTarget> targets;
  for (const auto& service : runtime_->services) {
    const auto& health = service->config().health;
    if (!health) {
      continue;
    }
    for (const discovery::Instance& instance : instances_of(*service)) {
      targets.push_back({service->name().value(), instance.host, instance.port, health->path, health->every,
                         health->timeout});
    }
  }
  instance_health_->follow(targets);
}

void Platform::tell_health(const discovery::HealthTarget& target, bool healthy, const std::string& detail) {
  const auto service = runtime_->service(ServiceName(target.service));
  const auto state = service ? service->healthy_at(target.host, target.port) : nullptr;
  if (state == nullptr || state->exchange(healthy) == healthy) {
    return;
  }
  if (healthy) {
    log::info("{} at {}:{} is healthy again: {}", target.service, target.host, target.port, detail);
  } else {
    log::warning("{} at {}:{} is unhealthy: {}", target.service, target.host, target.port, detail);
  }
}

Result<> Platform::open_workers(const std::shared_ptr<const Runtime>& runtime, std::uint64_t seed) {
  if (!journal_path(runtime->file).empty()) {
    auto sagas = SagaHost::open(runtime->file, seed);
    if (!sagas) {
      return std::unexpected(sagas.error());
    }
    sagas_ = std::move(*sagas);
    events_ = std::make_unique<EventHost>(sagas_->journal(), runtime->file.topics, seed);
    queues_ = std::make_unique<QueueHost>(sagas_->journal(), seed, api_base(runtime->file));
    std::optional<cqrs::RedisAddress> redis;
    if (const std::string& url = runtime->file.stores.views; !url.empty()) {
      if (auto hiredis = cqrs::RedisProtocol::load(); !hiredis) {
        return std::unexpected(hiredis.error());
      }
      redis = *cqrs::parse_redis_address(url);
    }
    events_->set_readers(views_of_topics(runtime->file), runtime->file.personal);
    views_ = std::make_unique<ViewHost>(sagas_->journal(), std::move(redis));
    commands_ = std::make_unique<CommandHost>(sagas_->journal(), seed, runtime->file);
    events_->erasure().set_rebuild(rebuild_views(views_->runner()));
    choreographies_ = std::make_unique<ChoreographyHost>(sagas_->journal(), sagas_->sagas(),
                                                         [this] { return events_->running(); });
    if (auto shared = share_queues(); !shared) {
      return shared;
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

Result<> Platform::lock_addresses(const ConfigFile& file) {
  std::vector<std::string> wanted;
  if (file.admin) {
    wanted.push_back(file.admin->listen);
  }
  if (file.api) {
    wanted.push_back(file.api->listen);
  }
  if (file.registry) {
    wanted.push_back(file.registry->listen);
  }
  for (const gateway::GatewayConfig& gateway : file.gateways) {
    wanted.push_back(gateway.listen);
  }
  std::vector<std::pair<std::string, net::AddressLock>> taken;
  for (const std::string& listen : wanted) {
    const auto address = net::SocketAddress::parse(listen);
    const bool held = std::ranges::any_of(locks_, [&](const auto& lock) { return lock.first == listen; });
    if (held || !address || address->port() == 0) {
      continue;
    }
    auto lock = net::AddressLock::take(*address);
    if (!lock) {
      return std::unexpected(lock.error());
    }
    taken.emplace_back(listen, std::move(*lock));
  }
  std::erase_if(locks_,
                [&](const auto& lock) { return std::ranges::find(wanted, lock.first) == wanted.end(); });
  std::ranges::move(taken, std::back_inserter(locks_));
  return {};
}

Result<> Platform::serve(const std::string& listen, http::ApiHandler handler, http::StreamHandler streams) {
  auto server =
      std::make_unique<http::ApiServer>(*loop_, http::ServerLimits{}, std::move(handler), std::move(streams));
  auto listening = server->listen(*net::SocketAddress::parse(listen));
  if (!listening) {
    return std::unexpected(listening.error());
  }
  control_servers_.push_back(std::move(server));
  return {};
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

Result<> Platform::open_control(const ConfigFile& file) {
  if (file.api) {
    if (auto opened = open_api(file); !opened) {
      return opened;
    }
  }
  if (file.registry) {
    discovery::RegistryOptions options;
    options.first_index = static_cast<std::uint64_t>(net::wall_now().ns_since_epoch / 1'000'000);
    options.seed = options.first_index;
    for (const auto& control : {file.admin ? file.admin->listen : std::string(), file.registry->listen}) {
      if (const auto address = net::SocketAddress::parse(control)) {
        options.control_ports.push_back(address->port());
      }
    }
    registry_ = std::make_unique<discovery::RegistryServer>(*loop_, *resolver_, directory_, options);
    if (auto opened = serve(file.registry->listen, guarded(registry_->handler(), *file.registry)); !opened) {
      return opened;
    }
  }
  if (file.admin) {
    admin_api_ = std::make_unique<admin::AdminApi>(
        *this, admin::ControlGuardOptions{.listen_ip = net::SocketAddress::parse(file.admin->listen)->ip(),
                                          .hosts = file.admin->hosts,
                                          .token = file.admin->token});
    if (sagas_) {
      admin_api_->mount(std::string(saga::OperatorApi::kPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return sagas_->operator_api().handle(std::move(request), peer);
                        });
      admin_api_->mount(std::string(events::OperatorApi::kPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return events_->operator_api().handle(std::move(request), peer);
                        });
      admin_api_->mount(std::string(events::SubjectApi::kPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return events_->subject_api().handle(std::move(request), peer);
                        });
      admin_api_->mount(std::string(events::QueueApi::kOperatorPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return queues_->api().handle_operator(std::move(request), peer);
                        });
      admin_api_->mount(std::string(events::SubscriptionApi::kOperatorPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return events_->subscription_api().handle_operator(std::move(request), peer);
                        });
      admin_api_->mount(std::string(cqrs::OperatorApi::kPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return views_->operator_api().handle(std::move(request), peer);
                        });
      admin_api_->mount("/api/v1/kafka", [this](http::Request request, net::SocketAddress) {
        return show_kafka(std::move(request));
      });
      admin_api_->mount(std::string(events::CorrelationApi::kOperatorPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return choreographies_->api().handle_operator(std::move(request), peer);
                        });
    }
    return serve(file.admin->listen, [this](http::Request request, net::SocketAddress peer) {
      return admin_api_->handle(std::move(request), peer);
    });
  }
  return {};
}

int Platform::run() {
  tasks_->spawn(tend_services());
  if (sagas_) {
    tasks_->spawn(sagas_->tend_forever(*loop_));
    tasks_->spawn(events_->tend_forever(*loop_));
    tasks_->spawn(choreographies_->tend_forever(*loop_));
    tasks_->spawn(queues_->tend_forever(*loop_, queues_of(runtime_->file)));
    tasks_->spawn(commands_->tend_forever(*loop_));
  }
  for (const gateway::GatewayConfig& gateway : runtime_->file.gateways) {
    log::info("gateway {} listens on http://{}", gateway.name, gateway.listen);
  }
  if (runtime_->file.registry) {
    log::info("registry (Consul API) listens on http://{}", runtime_->file.registry->listen);
  }
  if (runtime_->file.api) {
    log::info("application API listens on http://{}", runtime_->file.api->listen);
  }
  if (runtime_->file.admin) {
    log::info("admin API and metrics listen on http://{}", runtime_->file.admin->listen);
  }
  loop_->run();
  return store_failed_ ? kStoreFailed : 0;
}

void Platform::on_signal(int signal) {
  if (signal == SIGHUP) {
    (void)reload();  // logs what came of it
  } else if (!draining_) {
    draining_ = true;
    log::info("draining: no new connections, {} s for requests in flight",
              kDrainGrace / std::chrono::seconds(1));
    tasks_->spawn(drain(kDrainGrace));
  } else {
    log::warning("stopping at once: asked twice");
    loop_->stop();
  }
}

net::Task<> Platform::drain(Duration grace) {
  std::size_t left = workers_.size();
  net::Event drained;
  const auto one_less = [this, &left, &drained] {
    loop_->post([&left, &drained] {
      --left;
      drained.set();
    });
  };
  if (sagas_ && !store_failed_) {  // else there is nothing that could still be recorded
    left += 6;
    commands_->runner().drain(grace, one_less);
    queues_->runner().drain(grace, one_less);
    views_->runner().drain(grace, one_less);
    choreographies_->drain(grace, one_less);
    events_->subscriptions().drain(grace, one_less);
    sagas_->runner().drain(grace, one_less);
    if (kafka_) {
      ++left;
      kafka_->drain(grace, one_less);
    }
  }
  for (const auto& worker : workers_) {
    worker->begin_drain(grace, one_less);
  }
  while (left > 0) {
    co_await drained.wait();
  }
  loop_->stop();
}

// After a failed sync nothing that the kernel says of the file can be trusted: the next process begins by
// reading the log anew. Until this one ends, whoever needs the store is told 503 store-unavailable.
net::Task<> Platform::give_up() {
  log::error(
      "this process ends, with {}, for its supervisor to start it anew: within {} s, requests in "
      "flight are answered",
      kStoreFailed, (kFailedNotice + kFailedGrace) / std::chrono::seconds(1));
  co_await net::sleep_for(*loop_, kFailedNotice);
  if (!std::exchange(draining_, true)) {
    co_await drain(kFailedGrace);
  }
}

// Once a second: instances that came and went, half-open episodes that nobody ends, breakers nobody calls.
// What happened to a breaker is told to the operator.
net::Task<> Platform::tend_services() {
  for (;;) {
    co_await net::sleep_for(*loop_, std::chrono::seconds(1));
    follow_instances();
    if (sagas_) {
      sagas_->log_health();
      if (!store_failed_ && !draining_ && sagas_->health().state == journal::Health::State::failed) {
        store_failed_ = true;
        tasks_->spawn(give_up());
      }
    }
    for (const auto& service : runtime_->services) {
      resilience::CircuitBreaker* const breaker = service->breaker();
      if (breaker == nullptr) {
        continue;
      }
      breaker->look(loop_->now());
      while (const auto transition = breaker->next_transition()) {
        log::info("circuit breaker of {}: {} -> {} ({})", service->name().value(),
                  to_string(transition->from), to_string(transition->to), to_string(transition->cause));
      }
    }
  }
}

Result<> Platform::reload() {
  const auto failed = [this](std::string message) -> Result<> {
    ++failed_reloads_;
    log::error("reload refused, nothing changed: {}", message);
    return fail(Errc::invalid, std::move(message));
  };
  auto file = load_config(path_);
  if (!file) {
    return failed(joined(file.error()));
  }
  const ConfigFile& before = runtime_->file;
  const auto listens = [](const auto& control) {
    return control
               ? fmt::format("{}\n{}\n{}", control->listen, control->token, fmt::join(control->hosts, " "))
               : "";
  };
  const auto advertises = [](const auto& api) { return api ? api->advertise : std::string(); };
  if (listens(file->admin) != listens(before.admin) || advertises(file->api) != advertises(before.api) ||
      listens(file->api) != listens(before.api) || listens(file->registry) != listens(before.registry) ||
      file->workers != before.workers || file->telemetry.access_log != before.telemetry.access_log) {
    return failed(
        path_ +
        ": admin, api, registry, workers and the access log cannot change while running; restart for that");
  }
  if (const std::string journal = journal_path(*file);
      !journal.empty() &&
      (journal != (sagas_ ? sagas_->path() : "") || file->stores.archive != before.stores.archive ||
       file->stores.views != before.stores.views || file->stores.kafka != before.stores.kafka)) {
    return failed(path_ + (sagas_ ? ": stores cannot change while running; restart for that"
                                  : ": the first sagas, topics, queues, views or aggregates need a "
                                    "journal, which is opened at the start; restart"));
  }
  auto runtime = compile_runtime(std::move(*file), runtime_->workers, loop_->now(),
                                 static_cast<std::uint64_t>(net::wall_now().ns_since_epoch), runtime_.get());
  if (!runtime) {
    return failed(runtime.error().message);
  }
  if (auto locked = lock_addresses((*runtime)->file); !locked) {
    return failed(locked.error().message);
  }
  const auto take_back = [this] {
    for (const auto& worker : workers_) {
      worker->commit(runtime_);  // closes what was opened
    }
  };
  for (const auto& worker : workers_) {
    if (auto prepared = worker->prepare(*runtime); !prepared) {
      take_back();
      return failed(prepared.error().message);
    }
  }
  if (sagas_) {
    if (auto replaced = sagas_->runner().replace_definitions((*runtime)->file.sagas); !replaced) {
      take_back();
      return failed(fmt::format("{}: {}", path_, replaced.error().message));
    }
    sagas_->replace_definitions((*runtime)->file.sagas);
    events_->replace_topics((*runtime)->file.topics);
    events_->set_readers(views_of_topics((*runtime)->file), (*runtime)->file.personal);
    views_->runner().replace((*runtime)->file.views);
    commands_->replace((*runtime)->file);
    choreographies_->replace((*runtime)->file);
  }
  for (const auto& worker : workers_) {
    worker->commit(*runtime);
  }
  if (events_) {
    events_->replace_subscriptions((*runtime)->file.subscriptions);
  }
  if (kafka_) {
    kafka_->replace((*runtime)->file.topics);
  }
  if (queues_) {
    queues_->runner().replace(queues_of((*runtime)->file));
  }
  runtime_ = std::move(*runtime);
  follow_instances();
  ++reloads_;
  log::info("reloaded {}", path_);
  return {};
}

Result<> Platform::ready() {
  // Listeners are open before run(): what answers here is ready, unless it is leaving.
  if (sagas_ && sagas_->health().state == journal::Health::State::failed) {
    return fail(Errc::unavailable, "the journal has failed: " + sagas_->health().reason);
  }
  if (draining_) {
    return fail(Errc::unavailable, "draining");
  }
  return {};
}

}  // namespace flotilla::app
