// The running program: workers that serve, and one control loop for everything that operates them.
//
// The control loop (the thread that called run()) carries the registry with its health checks, the admin
// API, signals and reloads; workers carry gateways and nothing else (docs/adr/0005).
// Ownership: owns all of it. Threads: run() and everything it calls stay on the control thread.
// Limits: those of the file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flotilla/admin/admin_api.hpp"
#include "flotilla/admin/platform.hpp"
#include "flotilla/app/choreography_host.hpp"
#include "flotilla/app/command_host.hpp"
#include "flotilla/app/event_host.hpp"
#include "flotilla/app/queue_host.hpp"
#include "flotilla/app/runtime.hpp"
#include "flotilla/app/saga_host.hpp"
#include "flotilla/app/view_host.hpp"
#include "flotilla/app/worker.hpp"
#include "flotilla/discovery/directory.hpp"
#include "flotilla/discovery/instance_health.hpp"
#include "flotilla/discovery/registry_server.hpp"
#include "flotilla/events/kafka_bridge.hpp"
#include "flotilla/http/api_server.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/signals.hpp"
#include "flotilla/telemetry/access_log.hpp"

namespace flotilla::app {

class Platform final : public admin::Platform {
 public:
  static constexpr Duration kDrainGrace = std::chrono::seconds(10);
  // After the journal has failed: so long requests are still answered, so that those who watch see it, and so
  // long those in flight may take then.
  static constexpr Duration kFailedNotice = std::chrono::seconds(1);
  static constexpr Duration kFailedGrace = std::chrono::seconds(3);
  static constexpr int kStoreFailed = 74;  // EX_IOERR of sysexits.h, which supervisors know by name

  // Opens every listener of the file. Errors name the address or the place in the file.
  [[nodiscard]] static std::expected<std::unique_ptr<Platform>, ConfigErrors> start(const std::string& path);
  ~Platform() override;

  // Serves until SIGTERM or SIGINT, then drains. SIGHUP reloads. Returns the exit code: 0, or kStoreFailed
  // when the journal has failed for good, which only another process may open anew.
  [[nodiscard]] int run();

  std::vector<admin::ServiceReport> services() override;
  Result<std::vector<admin::RouteReport>> routes(std::string_view gateway) override;
  Result<admin::RouteExplanation> explain_route(std::string_view gateway, std::string_view method,
                                                std::string_view url) override;
  std::vector<admin::BreakerReport> breakers() override;
  Result<> set_breaker(std::string_view service, admin::BreakerVerb verb) override;
  Result<admin::ExplainReport> explain(std::string_view service) override;
  std::string config_file() override { return path_; }
  Result<> reload() override;
  Result<> ready() override;
  void metrics(telemetry::MetricsPage& page) override;

 private:
  explicit Platform(std::string path);
  std::expected<void, ConfigErrors> open(ConfigFile file);
  Result<> open_workers(const std::shared_ptr<const Runtime>& runtime, std::uint64_t seed);
  Result<> open_journal(const ConfigFile& file, std::uint64_t seed);
  Result<> open_kafka(const ConfigFile& file, std::uint64_t seed);
  net::Task<http::Response> show_kafka(http::Request request);
  Result<> open_control(const ConfigFile& file);
  Result<> open_api(const ConfigFile& file);
  Result<> serve(const std::string& listen, http::ApiHandler handler, http::StreamHandler streams = nullptr);
  [[nodiscard]] Result<> share_queues();
  Result<> lock_addresses(const ConfigFile& file);
  void on_signal(int signal);
  net::Task<> drain(Duration grace);
  net::Task<> give_up();
  net::Task<> tend_services();
  void follow_instances();
  void tell_health(const discovery::HealthTarget& target, bool healthy, const std::string& detail);
  // Those that calls may go to.
  [[nodiscard]] discovery::InstanceList instances_of(const call::Service& service) const;

  std::string path_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Resolver> resolver_;
  discovery::Directory directory_;
  std::vector<std::pair<std::string, net::AddressLock>> locks_;
  std::shared_ptr<const Runtime> runtime_;
  std::unique_ptr<telemetry::AccessLog> access_log_;  // nullptr: off
  std::unique_ptr<SagaHost> sagas_;                   // nullptr: the file names nothing that needs a journal
  std::unique_ptr<EventHost> events_;                 // beside sagas_
  std::unique_ptr<QueueHost> queues_;                 // beside sagas_
  std::unique_ptr<ViewHost> views_;                   // the same
  std::unique_ptr<CommandHost> commands_;             // the same
  std::unique_ptr<events::KafkaBridge> kafka_;        // nullptr: the file names no Kafka
  std::unique_ptr<ChoreographyHost> choreographies_;  // the same
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<discovery::RegistryServer> registry_;
  std::unique_ptr<discovery::InstanceHealth> instance_health_;
  std::unique_ptr<admin::AdminApi> admin_api_;
  std::vector<std::unique_ptr<http::ApiServer>> control_servers_;
  std::unique_ptr<net::SignalSource> signals_;
  std::unique_ptr<net::Scope> tasks_;
  std::uint64_t reloads_ = 0;
  std::uint64_t failed_reloads_ = 0;
  bool draining_ = false;
  bool store_failed_ = false;
};

}  // namespace flotilla::app
