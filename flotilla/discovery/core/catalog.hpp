// The catalog: one node, its services and their checks, and the indexes that watchers wait on.
//
// For: the registry, which is the only one to write; the Consul API and the directory read.
// Index rules (Consul's, consul-api section 4): one global counter; a write takes its next value only
// if it changes something, and everything it changes carries that value. What a watcher waits for is a
// `Scope`; its index moves only when its result can have changed. An output that changes alone moves
// none. Names, IDs and tags are listed in an order without case; names are looked up without case.
// Ownership: owns every entry; pointers it returns hold until the next write. Threads: one.
// Limits: limits::kServices, kChecks, kChecksPerService; beyond them a put fails with Errc::limit and
// is counted.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/discovery/core/catalog_types.hpp"

namespace flotilla::discovery {

// Orders without ASCII case first and by bytes second, so that keys differing in case stay apart.
struct CaselessOrder {
  using is_transparent = void;
  [[nodiscard]] bool operator()(std::string_view a, std::string_view b) const noexcept;
};

// What a reader waits for.
struct Scope {
  enum class Kind : std::uint8_t {
    nodes,     // catalog/nodes: the node and every service
    services,  // catalog/services: every service; the removal of a node's check
    service,   // catalog/service/N, health/service/N: the instances of name `name` and their checks
    node,      // catalog/node/N: the node and its services
    checks,    // health/node, health/checks, health/state: every check
  };
  Kind kind = Kind::nodes;
  std::string name;  // of a service, in lower case; empty for the others
  friend auto operator<=>(const Scope&, const Scope&) = default;
};

class Catalog {
 public:
  // The node and what it brings: the service `consul` at `server_port` and the check `serfHealth`.
  // `first_index` is the index they get; at least 1 (watchers never see 0).
  Catalog(Node node, std::uint16_t server_port, std::uint64_t first_index);

  // One write. It takes its index when it first changes something.
  class Write {
   public:
    explicit Write(Catalog& catalog) : catalog_(catalog) {}
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;

    // Inserts or replaces by ID. A new name under a known ID moves the instance; its checks follow.
    Result<> put_service(Service service);
    // False if there is none. Its checks go with it.
    bool erase_service(std::string_view id);
    // Inserts or replaces by ID; service name and tags are taken from the service, which must exist
    // (Errc::not_found).
    Result<> put_check(Check check);
    bool erase_check(std::string_view id);
    // The check must exist. The index moves only if the status differs; the output is replaced anyway.
    void set_status(std::string_view check_id, Status status, std::string output);

   private:
    [[nodiscard]] std::uint64_t index();
    void touch_name(std::string_view service_name);
    void touch_services(std::string_view service_name);
    void touch_check(const Check& check);
    void forget_name(const Service& service);
    void remove_check(std::string_view id);
    void refresh_checks(const Service& service);

    Catalog& catalog_;
    std::uint64_t index_ = 0;  // 0: nothing changed yet
  };

  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] std::uint64_t index() const { return index_; }
  // Of a service without instances: the last time any name lost its last one, so that it moves
  // neither backwards nor with every change elsewhere.
  [[nodiscard]] std::uint64_t index(const Scope& scope) const;

  [[nodiscard]] const Service* service(std::string_view id) const;
  [[nodiscard]] const Check* check(std::string_view id) const;

  // All in order: services by (name, ID), checks by ID.
  [[nodiscard]] std::vector<const Service*> services() const;
  [[nodiscard]] std::vector<const Service*> services_named(std::string_view name) const;
  [[nodiscard]] std::vector<const Check*> checks() const;
  // An empty ID lists the node's own.
  [[nodiscard]] std::vector<const Check*> checks_of(std::string_view service_id) const;
  // The worst of the service's and the node's checks; passing when there are none.
  [[nodiscard]] Status status_of(std::string_view service_id) const;

  // The names (lower case) whose instances or checks changed since the last call.
  [[nodiscard]] std::set<std::string> take_changed_names();

  [[nodiscard]] std::size_t service_count() const { return services_.size(); }
  [[nodiscard]] std::size_t check_count() const { return checks_.size(); }
  // Whether the service and these checks of it would all fit, so that a registration is taken whole or not at
  // all; `replacing`: its other checks will go first. Errc::limit, counted.
  Result<> admit(std::string_view service_id, const std::set<std::string, std::less<>>& check_ids,
                 bool replacing);
  // Puts refused because the catalog was full.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Name {
    std::uint64_t index = 0;
    std::set<std::string, CaselessOrder> ids;
  };

  Node node_;
  std::uint64_t index_;
  std::uint64_t nodes_index_ = 0;
  std::uint64_t services_index_ = 0;
  std::uint64_t node_index_ = 0;
  std::uint64_t checks_index_ = 0;
  std::uint64_t extinction_index_ = 0;
  std::map<std::string, Service, CaselessOrder> services_;
  std::map<std::string, Check, CaselessOrder> checks_;
  std::map<std::string, Name, std::less<>> names_;  // by lower-case name; only names with instances
  std::map<std::string, std::set<std::string, CaselessOrder>, std::less<>> checks_by_service_;
  std::set<std::string> changed_names_;
  std::uint64_t refused_ = 0;
};

}  // namespace flotilla::discovery
