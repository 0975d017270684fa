// The registry: the catalog and the health checks that move it, as one machine without I/O.
//
// For: the Consul API (registrations in), RegistryServer (probes out, results in). Time is an argument and
// effects are values: advance(now) gives the probes to send; changed names are taken from the catalog.
// Rules: a registration is checked as a whole and changes nothing when refused. Registering a check again
// keeps its status and output. What the platform brings (service `consul`, check `serfHealth`) cannot be
// changed. The result of a probe whose check is gone or was replaced is ignored.
// Ownership: owns catalog and checks. Threads: one. Limits: those of catalog_types.hpp; kMostProbes run at
// once, later ones wait in order of their time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/discovery/core/catalog.hpp"
#include "flotilla/discovery/core/health_check.hpp"
#include "flotilla/discovery/core/probe_target.hpp"

namespace flotilla::discovery {

inline constexpr std::size_t kMostProbes = 256;

struct CheckRegistration {
  Check check;  // `status` holds where the check is new
  CheckDefinition definition;
};

struct Registration {
  Service service;
  std::vector<CheckRegistration> checks;
  bool replace_checks = false;  // remove the service's other checks
};

class Registry {
 public:
  struct Options {
    Node node;
    std::uint16_t server_port = 8300;  // what the catalog says of the service `consul`; nothing listens
    std::uint64_t first_index = 1;
    std::vector<std::uint16_t> control_ports;  // of this process: never probed
    std::uint64_t seed = 1;
  };
  explicit Registry(Options options);

  // Errors: invalid (a reserved ID, a target the guard refuses), limit, not_found (a check's service).
  Result<> register_service(Registration registration, Instant now);
  Result<> register_check(CheckRegistration registration, Instant now);
  Result<> deregister_service(std::string_view id);
  Result<> deregister_check(std::string_view id);
  // A TTL check's report. Errors: not_found; unsupported when the check has no TTL.
  Result<> report(std::string_view check_id, Status status, std::string output, Instant now);
  // Idempotent; an empty reason becomes a stock sentence. `service_id` empty: the node.
  Result<> set_maintenance(std::string_view service_id, bool on, std::string_view reason);

  // Does what is due: lapses, removals, time-outs; gives the probes to start.
  [[nodiscard]] std::vector<StartProbe> advance(Instant now);
  // When to call advance() again at the latest; kNever for never, in the past for at once.
  [[nodiscard]] Instant next_deadline() const;
  void on_probe(ProbeId id, const ProbeResult& result, Instant now);

  [[nodiscard]] Catalog& catalog() { return catalog_; }
  [[nodiscard]] const Catalog& catalog() const { return catalog_; }
  [[nodiscard]] const TargetGuard& guard() const { return guard_; }
  [[nodiscard]] const CheckDefinition* definition(std::string_view check_id) const;
  [[nodiscard]] std::size_t running_probes() const { return running_.size(); }

 private:
  struct Entry {
    HealthCheck check;
    Instant scheduled = kNever;  // its place in schedule_, if not kNever
  };

  [[nodiscard]] Result<> judge(const CheckRegistration& registration) const;
  void put_check(Catalog::Write& write, CheckRegistration registration, Instant now);
  void forget(std::string_view check_id);
  void forget_service_checks(std::string_view service_id, const std::set<std::string, std::less<>>& keep,
                             Catalog::Write* write);
  void schedule(const std::string& check_id, Entry& entry);
  void apply(const std::string& check_id, std::optional<Verdict> verdict);
  // Handles one check that is due; true if it was removed together with its service.
  bool run_due(const std::string& check_id, Instant now);
  void start_waiting(Instant now, std::vector<StartProbe>& probes);

  Catalog catalog_;
  TargetGuard guard_;
  Random random_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::set<std::pair<Instant, std::string>> schedule_;
  std::deque<std::string> waiting_;  // due for a probe and off the schedule until it starts
  std::unordered_map<ProbeId, std::string> running_;
  ProbeId last_probe_ = 0;
};

}  // namespace flotilla::discovery
