#include "flotilla/discovery/core/consul_shapes.hpp"

#include <fmt/format.h>

namespace flotilla::discovery {
namespace {

using Map = std::map<std::string, std::string>;

void write_map(json::Writer& out, const Map& map) {
  out.begin_object();
  for (const auto& [key, value] : map) {
    out.key(key).value(value);
  }
  out.end();
}

void write_tagged(json::Writer& out, std::string_view name, const std::map<std::string, TaggedAddress>& map) {
  if (map.empty()) {
    return;
  }
  out.key(name).begin_object();
  for (const auto& [key, at] : map) {
    out.key(key).begin_object().key("Address").value(at.address).key("Port").value(at.port).end();
  }
  out.end();
}

void write_weights(json::Writer& out, const Weights& weights) {
  out.begin_object().key("Passing").value(weights.passing).key("Warning").value(weights.warning).end();
}

constexpr std::string_view kProxy = R"({"Mode":"","MeshGateway":{},"Expose":{}})";

}  // namespace

void write_strings(json::Writer& out, const std::vector<std::string>& strings) {
  out.begin_array();
  for (const std::string& text : strings) {
    out.value(text);
  }
  out.end();
}

void write_node(json::Writer& out, const Node& node) {
  out.begin_object().key("ID").value(node.id).key("Node").value(node.name);
  out.key("Address").value(node.address).key("Datacenter").value(node.datacenter);
  out.key("TaggedAddresses");
  write_map(out, node.tagged_addresses);
  out.key("Meta");
  write_map(out, node.meta);
  out.key("CreateIndex").value(node.indexes.create).key("ModifyIndex").value(node.indexes.modify).end();
}

void write_agent_service(json::Writer& out, const Service& service, const Node& node,
                         std::string_view content_hash) {
  out.begin_object().key("ID").value(service.id).key("Service").value(service.name);
  out.key("Tags");
  write_strings(out, service.tags);
  out.key("Meta");
  write_map(out, service.meta);
  out.key("Port").value(service.port).key("Address").value(service.address);
  if (!service.socket_path.empty()) {
    out.key("SocketPath").value(service.socket_path);
  }
  write_tagged(out, "TaggedAddresses", service.tagged_addresses);
  out.key("Weights");
  write_weights(out, service.weights);
  out.key("EnableTagOverride").value(service.enable_tag_override);
  if (!content_hash.empty()) {
    out.key("ContentHash").value(content_hash);
  }
  out.key("Datacenter").value(node.datacenter).end();
}

void write_service(json::Writer& out, const Service& service) {
  out.begin_object().key("ID").value(service.id).key("Service").value(service.name);
  out.key("Tags");
  write_strings(out, service.tags);
  out.key("Address").value(service.address);
  write_tagged(out, "TaggedAddresses", service.tagged_addresses);
  out.key("Meta");
  if (service.meta.empty()) {
    out.value(nullptr);
  } else {
    write_map(out, service.meta);
  }
  if (service.port != 0) {
    out.key("Port").value(service.port);
  }
  if (!service.socket_path.empty()) {
    out.key("SocketPath").value(service.socket_path);
  }
  out.key("Weights");
  write_weights(out, service.weights);
  out.key("EnableTagOverride").value(service.enable_tag_override);
  out.key("Proxy").raw(kProxy).key("Connect").raw("{}").key("PeerName").value("");
  out.key("CreateIndex").value(service.indexes.create).key("ModifyIndex").value(service.indexes.modify).end();
}

void write_catalog_service(json::Writer& out, const Service& service, const Node& node) {
  out.begin_object().key("ID").value(node.id).key("Node").value(node.name);
  out.key("Address").value(node.address).key("Datacenter").value(node.datacenter);
  out.key("TaggedAddresses");
  write_map(out, node.tagged_addresses);
  out.key("NodeMeta");
  write_map(out, node.meta);
  out.key("ServiceKind").value("").key("ServiceID").value(service.id).key("ServiceName").value(service.name);
  out.key("ServiceTags");
  write_strings(out, service.tags);
  out.key("ServiceAddress").value(service.address);
  write_tagged(out, "ServiceTaggedAddresses", service.tagged_addresses);
  out.key("ServiceWeights");
  write_weights(out, service.weights);
  out.key("ServiceMeta");
  write_map(out, service.meta);
  out.key("ServicePort").value(service.port).key("ServiceSocketPath").value(service.socket_path);
  out.key("ServiceEnableTagOverride").value(service.enable_tag_override);
  out.key("ServiceProxy").raw(kProxy).key("ServiceConnect").raw("{}").key("ServiceLocality").value(nullptr);
  out.key("CreateIndex").value(service.indexes.create).key("ModifyIndex").value(service.indexes.modify).end();
}

void write_check(json::Writer& out, const Check& check, const Node& node) {
  out.begin_object().key("Node").value(node.name).key("CheckID").value(check.id).key("Name").value(
      check.name);
  out.key("Status")
      .value(to_string(check.status))
      .key("Notes")
      .value(check.notes)
      .key("Output")
      .value(check.output);
  out.key("ServiceID").value(check.service_id).key("ServiceName").value(check.service_name);
  out.key("ServiceTags");
  write_strings(out, check.service_tags);
  out.key("Type").value(check.type).key("Interval").value(check.interval).key("Timeout").value(check.timeout);
  out.key("ExposedPort").value(0).key("Definition").raw("{}");
  out.key("CreateIndex").value(check.indexes.create).key("ModifyIndex").value(check.indexes.modify).end();
}

void write_member(json::Writer& out, const Node& node, std::uint16_t server_port) {
  out.begin_object().key("Name").value(node.name).key("Addr").value(node.address).key("Port").value(8301);
  out.key("Tags").begin_object().key("bootstrap").value("1").key("build");
  out.value(fmt::format("{}:0000000", kConsulVersion))
      .key("dc")
      .value(node.datacenter)
      .key("id")
      .value(node.id);
  out.key("port")
      .value(fmt::format("{}", server_port))
      .key("role")
      .value("consul")
      .key("vsn")
      .value("2")
      .end();
  out.key("Status")
      .value(1)
      .key("ProtocolMin")
      .value(1)
      .key("ProtocolMax")
      .value(5)
      .key("ProtocolCur")
      .value(2);
  out.key("DelegateMin").value(2).key("DelegateMax").value(5).key("DelegateCur").value(4).end();
}

}  // namespace flotilla::discovery
