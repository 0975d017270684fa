#include "flotilla/discovery/registry_server.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/discovery/core/consul_endpoints.hpp"
#include "flotilla/discovery/core/consul_shapes.hpp"
#include "flotilla/discovery/probe.hpp"

namespace flotilla::discovery {
namespace {

Registry::Options registry_options(const RegistryOptions& options) {
  Random random(options.seed);
  Node node{.name = options.node_name, .address = options.node_address, .datacenter = options.datacenter};
  const std::uint64_t high = random.next();
  const std::uint64_t low = random.next();
  node.id = fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xffffU,
                        high & 0xfffU, 0x8000U | ((low >> 48U) & 0x3fffU), low & 0xffffffffffffU);
  node.tagged_addresses = {{"lan", node.address}, {"wan", node.address}};
  node.meta = {{"consul-network-segment", ""}, {"consul-version", std::string(kConsulVersion)}};
  return {.node = std::move(node),
          .server_port = kServerPort,
          .first_index = options.first_index,
          .control_ports = options.control_ports,
          .seed = random.next()};
}

// What gateways may send requests to: no critical check; a warning counts with its own weight.
InstanceList instances_of(const Catalog& catalog, std::string_view name) {
  InstanceList list;
  for (const Service* service : catalog.services_named(name)) {
    const Status status = catalog.status_of(service->id);
    const std::int64_t weight =
        status == Status::passing ? service->weights.passing : service->weights.warning;
    if (status != Status::critical && service->port != 0 && weight > 0) {
      list.push_back({.id = service->id,
                      .host = service->address.empty() ? catalog.node().address : service->address,
                      .port = service->port,
                      .weight = static_cast<std::uint32_t>(weight),
                      .tags = service->tags});
    }
  }
  std::ranges::sort(list, {}, &Instance::id);
  return list;
}

}  // namespace

RegistryServer::RegistryServer(net::Loop& loop, net::Resolver& resolver, Directory& directory,
                               const RegistryOptions& options)
    : loop_(loop),
      resolver_(resolver),
      directory_(directory),
      registry_(registry_options(options)),
      api_(registry_, options.seed) {
  static_cast<void>(registry_.catalog().take_changed_names());  // `consul`: nobody can call it
  // A task must start on the loop.
  loop_.post([this] { tasks_.spawn(tick()); });
}

http::ApiHandler RegistryServer::handler() {
  return [this](http::Request request, net::SocketAddress) { return serve(std::move(request)); };
}

void RegistryServer::settle() {
  const auto names = registry_.catalog().take_changed_names();
  for (const std::string& name : names) {
    if (registry_.catalog().services_named(name).empty()) {
      directory_.forget(ServiceName(name));  // so that names cannot pile up
    } else {
      directory_.publish(ServiceName(name), instances_of(registry_.catalog(), name));
    }
  }
  if (!names.empty()) {
    changed_.set();
  }
  earlier_.set();
}

net::Task<http::Response> RegistryServer::serve(http::Request request) {
  auto result = api_.handle(request, loop_.now());
  settle();
  auto* read = std::get_if<BlockedRead>(&result);
  if (read == nullptr) {
    co_return std::get<http::Response>(std::move(result));
  }
  if (blocked_ >= kMostBlocked) {
    counters_.refused_to_park.add();
    co_return api_.answer(request, loop_.now());
  }
  // Counts down however the wait ends: the client may leave.
  struct Parked {
    std::size_t& count;
    ~Parked() { --count; }
  };
  const Parked parked{++blocked_};
  counters_.blocked.add();
  while (registry_.catalog().index(read->scope) <= read->index && co_await changed_.wait(read->deadline)) {
  }
  co_return api_.answer(request, loop_.now());
}

net::Task<> RegistryServer::tick() {
  for (;;) {
    for (StartProbe& start : registry_.advance(loop_.now())) {
      counters_.probes.add();
      tasks_.spawn(probe(std::move(start)));
    }
    settle();
    const Instant next = registry_.next_deadline();
    if (next > loop_.now()) {
      co_await earlier_.wait(next);
    }
  }
}

net::Task<> RegistryServer::probe(StartProbe start) {
  const ProbeResult result = co_await run_probe(loop_, resolver_, &registry_.guard(), start);
  registry_.on_probe(start.id, result, loop_.now());
  settle();
}

}  // namespace flotilla::discovery
