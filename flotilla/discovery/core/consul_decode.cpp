#include "flotilla/discovery/core/consul_decode.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/discovery/core/consul_object.hpp"
#include "flotilla/discovery/core/ip_literal.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::discovery {
namespace {

using json::Value;

Result<Value> read_object(std::string_view body) {
  if (std::ranges::all_of(body, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; })) {
    return fail(Errc::invalid, "Request decode failed: EOF");
  }
  auto value = json::parse(body);
  if (!value) {
    return fail(Errc::invalid, "Request decode failed: " + value.error().message);
  }
  if (!value->is_object()) {
    return fail(Errc::invalid, "Request decode failed: expected a JSON object");
  }
  return value;
}

void read_tags(ObjectReader& in, std::vector<std::string>& tags) {
  const Value& value = in.get("Tags");
  if (!value.is_null() && !value.is_array()) {
    in.wrong("Tags", "a list of strings");
  }
  if (value.size() > limits::kTags) {
    in.complain(fmt::format("Invalid Service Tags: at most {}", limits::kTags));
    return;
  }
  for (const Value& tag : value.items()) {
    if (!tag.is_string() || tag.as_string().size() > limits::kTagBytes) {
      in.wrong("Tags", fmt::format("a list of strings of at most {} bytes", limits::kTagBytes));
      return;
    }
    tags.emplace_back(tag.as_string());
  }
}

void read_meta(ObjectReader& in, std::map<std::string, std::string>& meta) {
  const Value& value = in.get("Meta");
  if (!value.is_null() && !value.is_object()) {
    in.wrong("Meta", "an object of strings");
  }
  if (value.size() > limits::kMetaPairs) {
    in.complain(
        fmt::format("Invalid Service Meta: cannot contain more than {} key/value pairs", limits::kMetaPairs));
    return;
  }
  for (const json::Member& member : value.members()) {
    const std::string_view key = member.key();
    const bool plain = std::ranges::all_of(key, [](char c) {
      return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '-' || c == '_';
    });
    if (key.empty() || key.size() > limits::kMetaKeyBytes || !plain || key.starts_with("consul-")) {
      in.complain(
          fmt::format("Invalid Service Meta: the key '{}' must be 1 to {} of A-Z a-z 0-9 _ - and not start "
                      "with consul-",
                      key.substr(0, limits::kMetaKeyBytes), limits::kMetaKeyBytes));
      return;
    }
    if (!member.value.is_string() || member.value.as_string().size() > limits::kMetaValueBytes) {
      in.complain(fmt::format("Invalid Service Meta: the value of '{}' must be a string of at most {} bytes",
                              key, limits::kMetaValueBytes));
      return;
    }
    meta.emplace(key, member.value.as_string());
  }
}

void read_weights(ObjectReader& in, Weights& weights) {
  const Value& value = in.get("Weights");
  if (value.is_null()) {
    return;
  }
  if (!value.is_object()) {
    in.wrong("Weights", "an object");
    return;
  }
  weights = {.passing = 0, .warning = 0};
  ObjectReader inner(value);
  inner.number("Passing", 1, limits::kWeight, weights.passing);
  inner.number("Warning", 0, limits::kWeight, weights.warning);
  if (inner.error() || weights.passing < 1) {
    in.complain(fmt::format("Invalid Weights: Passing must be 1 to {0}, Warning 0 to {0}", limits::kWeight));
  }
}

void read_tagged_addresses(ObjectReader& in, Service& service) {
  const Value& value = in.get("TaggedAddresses");
  if (value.size() > limits::kTaggedAddresses || (!value.is_null() && !value.is_object())) {
    in.wrong("TaggedAddresses", fmt::format("an object of at most {} addresses", limits::kTaggedAddresses));
    return;
  }
  for (const json::Member& member : value.members()) {
    TaggedAddress address;
    ObjectReader inner(member.value);
    inner.text("Address", address.address);
    inner.number("Port", 0, 65'535, address.port);
    const auto ip = parse_ip(address.address);
    const bool wants6 = member.key().ends_with("_ipv6");
    const bool wants4 = member.key().ends_with("_ipv4");
    if (inner.error() || member.key().size() > limits::kNameBytes ||
        ((wants4 || wants6) && (!ip || ip->ipv6 != wants6))) {
      in.complain(
          fmt::format("Invalid TaggedAddresses: '{}' has no fitting address", member.key().substr(0, 64)));
      return;
    }
    service.tagged_addresses.emplace(member.key(), std::move(address));
  }
  // Consul adds what a literal address already says.
  if (const auto ip = parse_ip(service.address)) {
    for (const char* key :
         ip->ipv6 ? std::array{"lan_ipv6", "wan_ipv6"} : std::array{"lan_ipv4", "wan_ipv4"}) {
      service.tagged_addresses.try_emplace(key, TaggedAddress{service.address, service.port});
    }
  }
}

void read_headers(ObjectReader& in, HttpProbe& probe) {
  const Value& value = in.get("Header");
  if (!value.is_null() && !value.is_object()) {
    in.wrong("Header", "an object of lists");
  }
  const auto is_token = [](std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
      return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
             std::string_view("!#$%&'*+-.^_`|~").contains(c);
    });
  };
  std::size_t bytes = 0;
  for (const json::Member& member : value.members()) {
    for (const Value& item : member.value.items()) {
      bytes += member.key().size() + (item.is_string() ? item.as_string().size() : 0);
      const bool good =
          item.is_string() && is_token(member.key()) && std::ranges::none_of(item.as_string(), [](char c) {
            return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
          });
      // Framing is ours: a length of somebody else's choosing would smuggle a second request.
      const bool framing = iequals(member.key(), "Content-Length") ||
                           iequals(member.key(), "Transfer-Encoding") || iequals(member.key(), "Connection");
      if (!good || framing || probe.headers.size() >= limits::kProbeHeaders || bytes > limits::kProbeBytes) {
        in.complain(fmt::format("Invalid check: Header '{}' is not allowed, or there are more than {}",
                                member.key().substr(0, 64), limits::kProbeHeaders));
        return;
      }
      probe.headers.emplace_back(member.key(), item.as_string());
    }
  }
}

bool is_set(const Value& value) {
  return !value.is_null() && !(value.is_string() && value.as_string().empty()) &&
         !((value.is_array() || value.is_object()) && value.empty()) &&
         !(value.is_bool() && !value.as_bool());
}

// The kinds of Consul that this build does not run; accepted silently they would look healthy or dead.
void refuse_other_kinds(ObjectReader& in) {
  for (const std::string_view kind : {"UDP", "GRPC", "H2PING", "OSService", "AliasNode", "AliasService",
                                      "ScriptArgs", "Args", "Script", "DockerContainerID", "TCPUseTLS"}) {
    if (is_set(in.get(kind))) {
      in.complain(fmt::format("Invalid check: {} is not in this build; use HTTP, TCP or TTL", kind));
    }
  }
}

void read_http(ObjectReader& in, HttpProbe& probe) {
  in.text("Method", probe.method, 32);
  if (probe.method.empty()) {
    probe.method = "GET";
  }
  if (!std::ranges::all_of(probe.method, [](char c) { return c >= 'A' && c <= 'Z'; })) {
    in.complain("Invalid check: Method must be of A-Z");
  }
  in.text("Body", probe.body, limits::kProbeBytes);
  read_headers(in, probe);
}

// The fields that say what is checked and how often (consul-api 3.3).
CheckDefinition read_definition(ObjectReader& in) {
  CheckDefinition definition;
  refuse_other_kinds(in);
  Duration ttl{};
  Duration timeout{};
  HttpProbe http;
  std::string tcp;
  in.text("HTTP", http.url, limits::kProbeBytes);
  in.text("TCP", tcp);
  in.duration("TTL", ttl);
  in.duration("Interval", definition.interval);
  in.duration("Timeout", timeout);
  in.duration("DeregisterCriticalServiceAfter", definition.deregister_critical_after);
  constexpr std::int64_t most = 1'000'000;
  in.number("SuccessBeforePassing", 0, most, definition.success_before_passing);
  in.number("FailuresBeforeWarning", 0, most, definition.failures_before_warning);
  in.number("FailuresBeforeCritical", 0, most, definition.failures_before_critical);
  std::int64_t output_max = 0;
  in.number("OutputMaxSize", 0, INT32_MAX, output_max);
  if (output_max > 0) {
    definition.output_max = std::min(limits::kOutputBytes, static_cast<std::size_t>(output_max));
  }
  if (timeout > Duration{0}) {
    definition.timeout = timeout;
  }
  const bool probed = !http.url.empty() || !tcp.empty();
  if (probed && ttl != Duration{0}) {
    in.complain("Invalid check: Interval and TTL cannot both be specified");
  } else if (!http.url.empty() && !tcp.empty()) {
    in.complain("Invalid check: HTTP and TCP cannot both be specified");
  } else if (probed && definition.interval <= Duration{0}) {
    in.complain("Invalid check: Interval must be > 0 for HTTP and TCP checks");
  } else if (!probed && ttl <= Duration{0}) {
    in.complain("Invalid check: TTL must be > 0 for TTL checks");
  } else if (definition.failures_before_warning > definition.failures_before_critical) {
    in.complain("Invalid check: FailuresBeforeWarning can't be higher than FailuresBeforeCritical");
  } else if (definition.deregister_critical_after < Duration{0}) {
    in.complain("Invalid check: DeregisterCriticalServiceAfter must not be negative");
  }
  if (!http.url.empty()) {
    read_http(in, http);
    definition.what = std::move(http);
  } else if (!tcp.empty()) {
    const auto target = parse_host_port(tcp);
    if (!target) {
      in.complain("Invalid check: TCP: " + target.error().message);
      return definition;
    }
    definition.what = *target;
  } else {
    definition.what = TtlReport{ttl};
  }
  if (probed) {
    definition.interval = std::max<Duration>(definition.interval, std::chrono::seconds{1});
  }
  return definition;
}

std::optional<Status> parse_status(std::string_view text) {
  for (const Status status : {Status::passing, Status::warning, Status::critical}) {
    if (text == to_string(status)) {
      return status;
    }
  }
  return std::nullopt;
}

void read_status(ObjectReader& in, Status& status) {
  std::string text;
  in.text("Status", text);
  if (const auto parsed = parse_status(text)) {
    status = *parsed;
  } else if (!text.empty()) {
    in.complain("Status for checks must 'passing', 'warning', 'critical'");
  }
}

CheckRegistration read_check(ObjectReader& in) {
  CheckRegistration made;
  in.text("Name", made.check.name);
  in.text("Notes", made.check.notes, limits::kNotesBytes);
  read_status(in, made.check.status);
  made.definition = read_definition(in);
  made.check.type = made.definition.type();
  if (made.definition.is_ttl()) {
    return made;
  }
  made.check.interval = print_go_duration(made.definition.interval);
  made.check.timeout = print_go_duration(made.definition.timeout);
  return made;
}

// Clients send `"Check": {"HTTP": null, ...}` for "no check".
bool has_check(const Value& value) {
  return std::ranges::any_of(value.members(),
                             [](const json::Member& member) { return is_set(member.value); });
}

void read_checks(ObjectReader& in, Registration& registration) {
  std::vector<const Value*> given;
  if (const Value& one = in.get("Check"); has_check(one)) {
    given.push_back(&one);
  }
  for (const Value& item : in.get("Checks").items()) {
    if (has_check(item)) {
      given.push_back(&item);
    }
  }
  if (given.size() > limits::kChecksPerService) {
    in.complain(fmt::format("Invalid check: at most {} checks for one service", limits::kChecksPerService));
    return;
  }
  const Service& service = registration.service;
  for (std::size_t i = 0; i < given.size(); ++i) {
    ObjectReader inner(*given[i]);
    CheckRegistration made = read_check(inner);
    inner.text("CheckID", made.check.id);
    if (inner.error()) {
      in.complain(inner.error()->message);
      return;
    }
    if (made.check.id.empty()) {
      made.check.id = given.size() == 1 ? fmt::format("service:{}", service.id)
                                        : fmt::format("service:{}:{}", service.id, i + 1);
    }
    if (made.check.name.empty()) {
      made.check.name = fmt::format("Service '{}' check", service.name);
    }
    registration.checks.push_back(std::move(made));
  }
}

}  // namespace

Result<Registration> decode_service(std::string_view body) {
  const auto value = read_object(body);
  if (!value) {
    return std::unexpected(value.error());
  }
  ObjectReader in(*value);
  Registration registration;
  Service& service = registration.service;
  in.text("Name", service.name);
  in.text("ID", service.id);
  if (!in.error() && service.name.empty()) {
    in.complain("Missing service name");
  }
  if (service.id.empty()) {
    service.id = service.name;
  }
  in.text("Address", service.address);
  in.number("Port", 0, 65'535, service.port);
  in.text("SocketPath", service.socket_path);
  in.flag("EnableTagOverride", service.enable_tag_override);
  read_tags(in, service.tags);
  read_meta(in, service.meta);
  read_weights(in, service.weights);
  read_tagged_addresses(in, service);
  read_checks(in, registration);
  if (in.error()) {
    return std::unexpected(*in.error());
  }
  return registration;
}

Result<CheckRegistration> decode_check(std::string_view body) {
  const auto value = read_object(body);
  if (!value) {
    return std::unexpected(value.error());
  }
  ObjectReader in(*value);
  CheckRegistration made = read_check(in);
  in.text("ID", made.check.id);
  if (made.check.id.empty()) {
    in.text("CheckID", made.check.id);
  }
  in.text("ServiceID", made.check.service_id);
  if (made.check.name.empty()) {
    return fail(Errc::invalid, "Missing check name");
  }
  if (made.check.id.empty()) {
    made.check.id = made.check.name;
  }
  if (in.error()) {
    return std::unexpected(*in.error());
  }
  return made;
}

Result<CheckReport> decode_report(std::string_view body) {
  const auto value = read_object(body);
  if (!value) {
    return std::unexpected(value.error());
  }
  ObjectReader in(*value);
  CheckReport report;
  std::string status;
  in.text("Status", status);
  in.text("Output", report.output, std::size_t{1} << 20U);
  if (in.error()) {
    return std::unexpected(*in.error());
  }
  const auto parsed = parse_status(status);
  if (!parsed) {
    return fail(Errc::invalid, fmt::format("Invalid check status: '{}'", status));
  }
  report.status = *parsed;
  return report;
}

std::optional<bool> parse_go_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

}  // namespace flotilla::discovery
