// What the catalog knows: the node, services and checks, as plain values.
//
// For: the catalog, the Consul API's shapes, the directory. Field names are Consul's where Consul has one.
// Ownership: values. Threads: plain data. Limits: `limits` below; registration.hpp holds input to them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace flotilla::discovery {

// Bounds of one registration and of the whole catalog. A registration beyond one is refused as a
// whole and changes nothing. Meta: Consul's own figures; the others are ours and generous.
namespace limits {
inline constexpr std::size_t kServices = 10'000;
inline constexpr std::size_t kChecks = 20'000;
inline constexpr std::size_t kChecksPerService = 64;
inline constexpr std::size_t kTags = 128;
inline constexpr std::size_t kTagBytes = 512;
inline constexpr std::size_t kNameBytes = 255;  // names, IDs, addresses
inline constexpr std::size_t kMetaPairs = 64;
inline constexpr std::size_t kMetaKeyBytes = 128;
inline constexpr std::size_t kMetaValueBytes = 512;
inline constexpr std::size_t kTaggedAddresses = 64;
inline constexpr std::size_t kNotesBytes = 4096;
inline constexpr std::size_t kOutputBytes = 4096;  // of one check; more is cut
inline constexpr std::size_t kProbeHeaders = 64;
inline constexpr std::size_t kProbeBytes = 16 * 1024;  // a check's URL, headers and body together
inline constexpr std::int64_t kWeight = 65'535;
}  // namespace limits

enum class Status : std::uint8_t { passing, warning, critical };  // from best to worst
[[nodiscard]] std::string_view to_string(Status status) noexcept;

struct Weights {
  std::int64_t passing = 1;
  std::int64_t warning = 1;
  friend bool operator==(const Weights&, const Weights&) = default;
};

struct TaggedAddress {
  std::string address;
  std::uint16_t port = 0;
  friend bool operator==(const TaggedAddress&, const TaggedAddress&) = default;
};

// Where an entry came from. The platform's own (service `consul`, check `serfHealth`) stand in the
// catalog only: agent calls neither list nor change them.
enum class Origin : std::uint8_t { agent, platform };

struct Indexes {
  std::uint64_t create = 0;
  std::uint64_t modify = 0;
};

struct Node {
  std::string id;  // a UUID
  std::string name;
  std::string address;
  std::string datacenter;
  std::map<std::string, std::string> tagged_addresses;
  std::map<std::string, std::string> meta;
  Indexes indexes;
};

struct Service {
  std::string id;  // unique on the node, compared with case
  std::string name;
  std::vector<std::string> tags;
  std::string address;  // empty: the node's
  std::uint16_t port = 0;
  std::string socket_path;
  std::map<std::string, std::string> meta;
  std::map<std::string, TaggedAddress> tagged_addresses;
  Weights weights;
  bool enable_tag_override = false;
  Origin origin = Origin::agent;
  Indexes indexes;

  // Equal but for the indexes: registering such a service again changes nothing.
  [[nodiscard]] bool same_as(const Service& other) const;
};

struct Check {
  std::string id;
  std::string name;
  Status status = Status::critical;
  std::string notes;
  std::string output;
  std::string service_id;  // empty: a check of the node
  std::string service_name;
  std::vector<std::string> service_tags;
  std::string type;
  std::string interval;  // as printed; empty where there is none
  std::string timeout;
  Origin origin = Origin::agent;
  Indexes indexes;

  // Equal but for the indexes and the output, which is not part of what watchers watch.
  [[nodiscard]] bool same_as(const Check& other) const;
};

// The IDs of checks that say "in maintenance" (Consul's).
inline constexpr std::string_view kNodeMaintenance = "_node_maintenance";
inline constexpr std::string_view kServiceMaintenance =
    "_service_maintenance:";  // followed by the service's ID

}  // namespace flotilla::discovery
