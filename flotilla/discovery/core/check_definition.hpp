// What a check is asked to do, and the probe that comes of it.
//
// For: registrations, the health-check state machine, the shell that sends probes.
// Kinds: HTTP and TCP are probed by us at an interval; TTL waits for the service to report. Others of
// Consul (gRPC, script, ...) are refused at registration with a sentence that says so.
// Ownership: values. Threads: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/discovery/core/catalog_types.hpp"

namespace flotilla::discovery {

struct HttpProbe {
  std::string url;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;  // in order; may repeat a name
  std::string body;
  friend bool operator==(const HttpProbe&, const HttpProbe&) = default;
};

struct TcpProbe {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const TcpProbe&, const TcpProbe&) = default;
};

struct TtlReport {
  Duration ttl{};
  friend bool operator==(const TtlReport&, const TtlReport&) = default;
};

struct CheckDefinition {
  std::variant<TtlReport, HttpProbe, TcpProbe> what;
  Duration interval{};  // of HTTP and TCP: from the end of one probe to the start of the next; at least 1 s
  Duration timeout = std::chrono::seconds{10};
  std::uint32_t success_before_passing = 0;
  std::uint32_t failures_before_warning = 0;  // 0: as failures_before_critical
  std::uint32_t failures_before_critical = 0;
  Duration deregister_critical_after{};  // 0: never
  std::size_t output_max = limits::kOutputBytes;
  friend bool operator==(const CheckDefinition&, const CheckDefinition&) = default;

  [[nodiscard]] bool is_ttl() const { return std::holds_alternative<TtlReport>(what); }
  [[nodiscard]] std::string_view type() const;  // as Consul's `Type`: ttl, http, tcp
};

// Names one running probe; never used twice.
using ProbeId = std::uint64_t;

// An effect: do this and report to on_probe. Past the deadline nobody waits for the answer.
struct StartProbe {
  ProbeId id = 0;
  std::string check_id;
  std::variant<HttpProbe, TcpProbe> what;
  Instant deadline;
  std::size_t output_max = 0;
};

// What became of a probe: an HTTP answer (status and the last bytes of its body), a TCP connection
// that stood (status 0, no error), or why there was neither.
struct ProbeResult {
  std::uint16_t status = 0;
  std::string reason;  // the phrase of an HTTP status line
  std::string body;
  std::string error;
};

// "host:port" or "[v6]:port"; Errc::invalid otherwise.
[[nodiscard]] Result<TcpProbe> parse_host_port(std::string_view text);

}  // namespace flotilla::discovery
