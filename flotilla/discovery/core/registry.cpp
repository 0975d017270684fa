#include "flotilla/discovery/core/registry.hpp"

#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/discovery/core/probe_url.hpp"

namespace flotilla::discovery {
namespace {

Error unknown(std::string_view what, std::string_view id) {
  return {Errc::not_found,
          fmt::format("Unknown {} ID \"{}\". Ensure that the ID is passed, not the name.", what, id)};
}

}  // namespace

Registry::Registry(Options options)
    : catalog_(options.node, options.server_port, options.first_index),
      guard_(std::move(options.control_ports), {options.node.address}),
      random_(options.seed) {}

Result<> Registry::judge(const CheckRegistration& registration) const {
  const Check* known = catalog_.check(registration.check.id);
  if (known != nullptr && known->origin == Origin::platform) {
    return fail(Errc::invalid, fmt::format("Invalid check: the ID '{}' is the registry's own", known->id));
  }
  std::string_view host;
  std::uint16_t port = 0;
  Result<ProbeUrl> url;
  if (const auto* http = std::get_if<HttpProbe>(&registration.definition.what)) {
    url = parse_probe_url(http->url);
    if (!url) {
      return fail(Errc::invalid, "Invalid check: " + url.error().message);
    }
    host = url->host;
    port = url->port;
  } else if (const auto* tcp = std::get_if<TcpProbe>(&registration.definition.what)) {
    host = tcp->host;
    port = tcp->port;
  } else {
    return {};
  }
  if (const auto allowed = guard_.check_host(host, port); !allowed) {
    return fail(Errc::invalid, "Invalid check: " + allowed.error().message);
  }
  return {};
}

Result<> Registry::register_service(Registration registration, Instant now) {
  const Service* known = catalog_.service(registration.service.id);
  if (known != nullptr && known->origin == Origin::platform) {
    return fail(Errc::invalid, fmt::format("Invalid service: the ID '{}' is the registry's own", known->id));
  }
  if (const auto allowed = TargetGuard::check_address(registration.service.address); !allowed) {
    return allowed;
  }
  std::set<std::string, std::less<>> ids;
  for (const CheckRegistration& check : registration.checks) {
    if (const auto good = judge(check); !good) {
      return good;
    }
    if (!ids.insert(check.check.id).second) {
      return fail(Errc::invalid, fmt::format("Invalid check: the ID '{}' stands twice", check.check.id));
    }
  }
  if (const auto room = catalog_.admit(registration.service.id, ids, registration.replace_checks); !room) {
    return room;
  }
  Catalog::Write write(catalog_);
  const std::string id = registration.service.id;
  if (registration.replace_checks) {
    forget_service_checks(id, ids, &write);
  }
  const auto put = write.put_service(std::move(registration.service));
  FLOTILLA_ASSERT(put.has_value());
  for (CheckRegistration& check : registration.checks) {
    check.check.service_id = id;
    put_check(write, std::move(check), now);
  }
  return {};
}

Result<> Registry::register_check(CheckRegistration registration, Instant now) {
  if (const auto good = judge(registration); !good) {
    return good;
  }
  const std::string& service_id = registration.check.service_id;
  const Service* service = catalog_.service(service_id);
  if (!service_id.empty() && (service == nullptr || service->origin == Origin::platform)) {
    return std::unexpected(unknown("service", service_id));
  }
  if (const auto room = catalog_.admit(service_id, {registration.check.id}, false); !room) {
    return room;
  }
  Catalog::Write write(catalog_);
  put_check(write, std::move(registration), now);
  return {};
}

// There is room for it, and its service exists.
void Registry::put_check(Catalog::Write& write, CheckRegistration registration, Instant now) {
  Check& check = registration.check;
  if (check.service_id.empty()) {
    registration.definition.deregister_critical_after = Duration{0};  // there is no service to remove
  }
  if (const Check* known = catalog_.check(check.id)) {
    check.status = known->status;
    check.output = known->output;
  }
  const std::string id = check.id;
  const auto put = write.put_check(std::move(check));
  FLOTILLA_ASSERT(put.has_value());
  forget(id);
  const auto entry =
      entries_.emplace(id, Entry{HealthCheck(std::move(registration.definition), now, random_)}).first;
  schedule(id, entry->second);
}

Result<> Registry::deregister_service(std::string_view id) {
  const Service* known = catalog_.service(id);
  if (known == nullptr || known->origin == Origin::platform) {
    return std::unexpected(unknown("service", id));
  }
  forget_service_checks(id, {}, nullptr);
  Catalog::Write(catalog_).erase_service(id);
  return {};
}

Result<> Registry::deregister_check(std::string_view id) {
  const Check* known = catalog_.check(id);
  if (known == nullptr || known->origin == Origin::platform) {
    return std::unexpected(unknown("check", id));
  }
  forget(id);
  Catalog::Write(catalog_).erase_check(id);
  return {};
}

Result<> Registry::report(std::string_view check_id, Status status, std::string output, Instant now) {
  const Check* known = catalog_.check(check_id);
  if (known == nullptr || known->origin == Origin::platform) {
    return std::unexpected(unknown("check", check_id));
  }
  const auto found = entries_.find(check_id);
  if (found == entries_.end() || !found->second.check.definition().is_ttl()) {
    return fail(Errc::unsupported, fmt::format("CheckID \"{}\" does not have associated TTL", check_id));
  }
  apply(found->first, found->second.check.on_report(status, std::move(output), now));
  schedule(found->first, found->second);
  return {};
}

Result<> Registry::set_maintenance(std::string_view service_id, bool on, std::string_view reason) {
  const Service* service = catalog_.service(service_id);
  if (!service_id.empty() && (service == nullptr || service->origin == Origin::platform)) {
    return std::unexpected(unknown("service", service_id));
  }
  const bool node = service_id.empty();
  Check check{
      .id = node ? std::string(kNodeMaintenance) : fmt::format("{}{}", kServiceMaintenance, service_id),
      .name = node ? "Node Maintenance Mode" : "Service Maintenance Mode",
      .status = Status::critical};
  Catalog::Write write(catalog_);
  if (!on) {
    forget(check.id);
    write.erase_check(check.id);
    return {};
  }
  if (catalog_.check(check.id) != nullptr) {
    return {};
  }
  check.service_id = service_id;
  check.type = "maintenance";
  check.notes = reason.empty() ? fmt::format("Maintenance mode is on for this {}; no reason was given.",
                                             node ? "node" : "service")
                               : std::string(reason);
  return write.put_check(std::move(check));
}

// --- time ---

void Registry::schedule(const std::string& check_id, Entry& entry) {
  if (entry.scheduled != kNever) {
    schedule_.erase({entry.scheduled, check_id});
  }
  entry.scheduled = entry.check.next_deadline();
  if (entry.scheduled != kNever) {
    schedule_.emplace(entry.scheduled, check_id);
  }
}

Instant Registry::next_deadline() const {
  if (!waiting_.empty() && running_.size() < kMostProbes) {
    return Instant::min();
  }
  return schedule_.empty() ? kNever : schedule_.begin()->first;
}

std::vector<StartProbe> Registry::advance(Instant now) {
  std::vector<StartProbe> probes;
  while (!schedule_.empty() && schedule_.begin()->first <= now) {
    const std::string id = schedule_.begin()->second;
    schedule_.erase(schedule_.begin());
    Entry& entry = entries_.find(id)->second;
    entry.scheduled = kNever;
    if (!run_due(id, now)) {
      if (entry.check.probe_due(now)) {
        waiting_.push_back(id);  // off the schedule until it starts
      } else {
        schedule(id, entry);
      }
    }
  }
  start_waiting(now, probes);
  return probes;
}

bool Registry::run_due(const std::string& check_id, Instant now) {
  Entry& entry = entries_.find(check_id)->second;
  if (entry.check.probe_overdue(now)) {
    std::erase_if(running_, [&](const auto& probe) { return probe.second == check_id; });
    apply(check_id, entry.check.on_probe({.error = "no answer within the timeout"}, now, random_));
  }
  apply(check_id, entry.check.lapse(catalog_.check(check_id)->output, now));
  if (!entry.check.removal_due(now)) {
    return false;
  }
  const auto removed = deregister_service(std::string(catalog_.check(check_id)->service_id));
  FLOTILLA_ASSERT(removed.has_value());
  return true;
}

void Registry::start_waiting(Instant now, std::vector<StartProbe>& probes) {
  while (!waiting_.empty() && running_.size() < kMostProbes) {
    const std::string id = std::move(waiting_.front());
    waiting_.pop_front();
    const auto found = entries_.find(id);
    FLOTILLA_ASSERT(found != entries_.end());
    StartProbe probe = found->second.check.start_probe(++last_probe_, now);
    probe.check_id = id;
    running_.emplace(probe.id, id);
    schedule(id, found->second);
    probes.push_back(std::move(probe));
  }
}

void Registry::on_probe(ProbeId id, const ProbeResult& result, Instant now) {
  const auto probe = running_.find(id);
  if (probe == running_.end()) {
    return;
  }
  const std::string check_id = std::move(probe->second);
  running_.erase(probe);
  const auto found = entries_.find(check_id);
  FLOTILLA_ASSERT(found != entries_.end() && found->second.check.running(id));
  apply(check_id, found->second.check.on_probe(result, now, random_));
  schedule(check_id, found->second);
}

void Registry::apply(const std::string& check_id, std::optional<Verdict> verdict) {
  if (verdict) {
    Catalog::Write(catalog_).set_status(check_id, verdict->status, std::move(verdict->output));
  }
}

void Registry::forget(std::string_view check_id) {
  const auto found = entries_.find(check_id);
  if (found == entries_.end()) {
    return;
  }
  if (found->second.scheduled != kNever) {
    schedule_.erase({found->second.scheduled, found->first});
  }
  if (found->second.check.running()) {
    std::erase_if(running_, [&](const auto& probe) { return probe.second == check_id; });
  }
  std::erase(waiting_, found->first);
  entries_.erase(found);
}

// Those of `service_id` but `keep`; out of the catalog, too, where `write` is given.
void Registry::forget_service_checks(std::string_view service_id,
                                     const std::set<std::string, std::less<>>& keep, Catalog::Write* write) {
  for (const Check* check : catalog_.checks_of(service_id)) {
    if (!keep.contains(check->id)) {
      const std::string id = check->id;
      forget(id);
      if (write != nullptr) {
        write->erase_check(id);
      }
    }
  }
}

const CheckDefinition* Registry::definition(std::string_view check_id) const {
  const auto found = entries_.find(check_id);
  return found == entries_.end() ? nullptr : &found->second.check.definition();
}

}  // namespace flotilla::discovery
