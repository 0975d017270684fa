#include "flotilla/app/platform.hpp"

#include <algorithm>
#include <csignal>
#include <thread>

#include "flotilla/admin/core/control_guard.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::app {
namespace {

ConfigErrors one(const Error& error) { return {error.message}; }

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
      admin_api_->mount(std::string(cqrs::AggregateApi::kPrefix),
                        [this](http::Request request, net::SocketAddress peer) {
                          return commands_->aggregate_api().handle(std::move(request), peer);
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

}  // namespace flotilla::app
