#include "flotilla/discovery/core/catalog.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::discovery {

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::passing:
      return "passing";
    case Status::warning:
      return "warning";
    case Status::critical:
      break;
  }
  return "critical";
}

bool Service::same_as(const Service& other) const {
  return id == other.id && name == other.name && tags == other.tags && address == other.address &&
         port == other.port && socket_path == other.socket_path && meta == other.meta &&
         tagged_addresses == other.tagged_addresses && weights == other.weights &&
         enable_tag_override == other.enable_tag_override;
}

bool Check::same_as(const Check& other) const {
  return id == other.id && name == other.name && status == other.status && notes == other.notes &&
         service_id == other.service_id && service_name == other.service_name &&
         service_tags == other.service_tags && type == other.type && interval == other.interval &&
         timeout == other.timeout;
}

bool CaselessOrder::operator()(std::string_view a, std::string_view b) const noexcept {
  const auto lower = [](char c) { return static_cast<unsigned char>(ascii_lower(c)); };
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (lower(a[i]) != lower(b[i])) {
      return lower(a[i]) < lower(b[i]);
    }
  }
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

Catalog::Catalog(Node node, std::uint16_t server_port, std::uint64_t first_index)
    : node_(std::move(node)), index_(first_index - 1) {
  FLOTILLA_ASSERT(first_index >= 1);
  node_.indexes = {.create = first_index, .modify = first_index};
  extinction_index_ = first_index;
  checks_by_service_[""];
  Write write(*this);
  Service own{.id = "consul", .name = "consul", .port = server_port, .origin = Origin::platform};
  const bool put =
      write.put_service(std::move(own)).has_value() && write
                                                           .put_check({.id = "serfHealth",
                                                                       .name = "Serf Health Status",
                                                                       .status = Status::passing,
                                                                       .output = "Agent alive and reachable",
                                                                       .origin = Origin::platform})
                                                           .has_value();
  FLOTILLA_ASSERT(put);
}

// --- writing ---

std::uint64_t Catalog::Write::index() {
  if (index_ == 0) {
    index_ = ++catalog_.index_;
  }
  return index_;
}

// The instances of `service_name` or their checks changed.
void Catalog::Write::touch_name(std::string_view service_name) {
  std::string key = to_lower(service_name);
  if (const auto found = catalog_.names_.find(key); found != catalog_.names_.end()) {
    found->second.index = index();
  }
  catalog_.changed_names_.insert(std::move(key));
}

void Catalog::Write::touch_services(std::string_view service_name) {
  touch_name(service_name);
  catalog_.services_index_ = catalog_.nodes_index_ = catalog_.node_index_ = index();
}

// A node's check counts for every instance on the node.
void Catalog::Write::touch_check(const Check& check) {
  catalog_.checks_index_ = index();
  if (!check.service_id.empty()) {
    touch_name(check.service_name);
    return;
  }
  for (auto& [name, entry] : catalog_.names_) {
    entry.index = index();
    catalog_.changed_names_.insert(name);
  }
}

Result<> Catalog::Write::put_service(Service service) {
  const auto known = catalog_.services_.find(service.id);
  if (known == catalog_.services_.end()) {
    if (catalog_.services_.size() >= limits::kServices) {
      ++catalog_.refused_;
      return fail(Errc::limit,
                  fmt::format("the registry is full: it holds {} services; deregister some first",
                              limits::kServices));
    }
    service.indexes = {.create = index(), .modify = index()};
    catalog_.names_[to_lower(service.name)].ids.insert(service.id);
    catalog_.checks_by_service_[service.id];
    touch_services(service.name);
    catalog_.services_.emplace(service.id, std::move(service));
    return {};
  }
  Service& old = known->second;
  if (old.same_as(service)) {
    return {};
  }
  service.indexes = {.create = old.indexes.create, .modify = index()};
  if (!iequals(old.name, service.name)) {
    forget_name(old);
    catalog_.names_[to_lower(service.name)].ids.insert(service.id);
  }
  touch_services(service.name);
  old = std::move(service);
  refresh_checks(old);
  return {};
}

// Takes the service out of its name; the name's end is remembered for those who watch it.
void Catalog::Write::forget_name(const Service& service) {
  touch_services(service.name);
  const auto found = catalog_.names_.find(to_lower(service.name));
  FLOTILLA_ASSERT(found != catalog_.names_.end());
  found->second.ids.erase(service.id);
  if (found->second.ids.empty()) {
    catalog_.names_.erase(found);
    catalog_.extinction_index_ = index();
  }
}

// Checks repeat their service's name and tags.
void Catalog::Write::refresh_checks(const Service& service) {
  for (const std::string& id : catalog_.checks_by_service_.find(service.id)->second) {
    Check& check = catalog_.checks_.find(id)->second;
    if (check.service_name != service.name || check.service_tags != service.tags) {
      check.service_name = service.name;
      check.service_tags = service.tags;
      check.indexes.modify = index();
      touch_check(check);
    }
  }
}

bool Catalog::Write::erase_service(std::string_view id) {
  const auto known = catalog_.services_.find(id);
  if (known == catalog_.services_.end()) {
    return false;
  }
  const auto checks = catalog_.checks_by_service_.find(id);
  while (!checks->second.empty()) {
    remove_check(std::string(*checks->second.begin()));
  }
  catalog_.checks_by_service_.erase(checks);
  forget_name(known->second);
  catalog_.services_.erase(known);
  return true;
}

Result<> Catalog::Write::put_check(Check check) {
  if (!check.service_id.empty()) {
    const Service* service = catalog_.service(check.service_id);
    if (service == nullptr) {
      return fail(Errc::not_found, fmt::format("service '{}' is not registered", check.service_id));
    }
    check.service_name = service->name;
    check.service_tags = service->tags;
  }
  const auto known = catalog_.checks_.find(check.id);
  const bool moves = known != catalog_.checks_.end() && known->second.service_id != check.service_id;
  const auto& siblings = catalog_.checks_by_service_.find(check.service_id)->second;
  const bool joins = known == catalog_.checks_.end() || moves;
  if ((known == catalog_.checks_.end() && catalog_.checks_.size() >= limits::kChecks) ||
      (joins && siblings.size() >= limits::kChecksPerService)) {
    ++catalog_.refused_;
    return fail(Errc::limit, fmt::format("too many checks: at most {} in all and {} for one service",
                                         limits::kChecks, limits::kChecksPerService));
  }
  if (moves) {
    remove_check(check.id);
  }
  const auto current = moves ? catalog_.checks_.end() : known;
  if (current == catalog_.checks_.end()) {
    check.indexes = {.create = index(), .modify = index()};
    catalog_.checks_by_service_.find(check.service_id)->second.insert(check.id);
    touch_check(check);
    catalog_.checks_.emplace(check.id, std::move(check));
    return {};
  }
  Check& old = current->second;
  check.indexes = old.indexes;
  if (!old.same_as(check)) {
    check.indexes.modify = index();
    touch_check(check);
  }
  old = std::move(check);
  return {};
}

bool Catalog::Write::erase_check(std::string_view id) {
  if (!catalog_.checks_.contains(id)) {
    return false;
  }
  remove_check(id);
  return true;
}

void Catalog::Write::remove_check(std::string_view id) {
  const auto found = catalog_.checks_.find(id);
  FLOTILLA_ASSERT(found != catalog_.checks_.end());
  const Check& check = found->second;
  touch_check(check);
  if (check.service_id.empty()) {
    catalog_.services_index_ = index();
  }
  auto& siblings = catalog_.checks_by_service_.find(check.service_id)->second;
  siblings.erase(siblings.find(id));
  catalog_.checks_.erase(found);
}

void Catalog::Write::set_status(std::string_view check_id, Status status, std::string output) {
  const auto found = catalog_.checks_.find(check_id);
  FLOTILLA_ASSERT(found != catalog_.checks_.end());
  Check& check = found->second;
  check.output = std::move(output);
  if (check.status != status) {
    check.status = status;
    check.indexes.modify = index();
    touch_check(check);
  }
}

Result<> Catalog::admit(std::string_view service_id, const std::set<std::string, std::less<>>& check_ids,
                        bool replacing) {
  std::size_t fresh = 0;  // in the catalog
  std::size_t joining = 0;
  for (const std::string& id : check_ids) {
    const Check* known = check(id);
    fresh += known == nullptr ? 1 : 0;
    joining += known == nullptr || known->service_id != service_id ? 1 : 0;
  }
  const std::size_t siblings = replacing ? check_ids.size() - joining : checks_of(service_id).size();
  const bool new_service = !service_id.empty() && service(service_id) == nullptr;
  if (new_service && services_.size() >= limits::kServices) {
    ++refused_;
    return fail(Errc::limit, fmt::format("the registry is full: it holds {} services; deregister some first",
                                         limits::kServices));
  }
  // Checks that a replacement frees are not counted: it is refused only where it could be.
  if (checks_.size() + fresh > limits::kChecks || siblings + joining > limits::kChecksPerService) {
    ++refused_;
    return fail(Errc::limit, fmt::format("too many checks: at most {} in all and {} for one service",
                                         limits::kChecks, limits::kChecksPerService));
  }
  return {};
}

// --- reading ---

std::uint64_t Catalog::index(const Scope& scope) const {
  switch (scope.kind) {
    case Scope::Kind::nodes:
      return nodes_index_;
    case Scope::Kind::services:
      return services_index_;
    case Scope::Kind::node:
      return node_index_;
    case Scope::Kind::checks:
      return checks_index_;
    case Scope::Kind::service:
      break;
  }
  const auto found = names_.find(scope.name);
  return found == names_.end() ? extinction_index_ : found->second.index;
}

const Service* Catalog::service(std::string_view id) const {
  const auto found = services_.find(id);
  return found == services_.end() ? nullptr : &found->second;
}

const Check* Catalog::check(std::string_view id) const {
  const auto found = checks_.find(id);
  return found == checks_.end() ? nullptr : &found->second;
}

std::vector<const Service*> Catalog::services() const {
  std::vector<const Service*> all;
  all.reserve(services_.size());
  for (const auto& [name, entry] : names_) {
    for (const std::string& id : entry.ids) {
      all.push_back(service(id));
    }
  }
  return all;
}

std::vector<const Service*> Catalog::services_named(std::string_view name) const {
  std::vector<const Service*> found;
  if (const auto entry = names_.find(to_lower(name)); entry != names_.end()) {
    for (const std::string& id : entry->second.ids) {
      found.push_back(service(id));
    }
  }
  return found;
}

std::vector<const Check*> Catalog::checks() const {
  std::vector<const Check*> all;
  all.reserve(checks_.size());
  for (const auto& [id, check] : checks_) {
    all.push_back(&check);
  }
  return all;
}

std::vector<const Check*> Catalog::checks_of(std::string_view service_id) const {
  std::vector<const Check*> found;
  if (const auto ids = checks_by_service_.find(service_id); ids != checks_by_service_.end()) {
    for (const std::string& id : ids->second) {
      found.push_back(check(id));
    }
  }
  return found;
}

Status Catalog::status_of(std::string_view service_id) const {
  Status worst = Status::passing;
  for (const std::string_view owner : {service_id, std::string_view{}}) {
    for (const Check* check : checks_of(owner)) {
      worst = std::max(worst, check->status);
    }
  }
  return worst;
}

std::set<std::string> Catalog::take_changed_names() { return std::exchange(changed_names_, {}); }

}  // namespace flotilla::discovery
