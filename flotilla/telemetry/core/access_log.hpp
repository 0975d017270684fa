// One finished request as one line of JSON: the access log.
//
// For: whoever asks afterwards what was answered, by which route, from which instance, and why not.
// The query is never logged, because it carries tokens. Pure: appends to a buffer that the caller keeps.
// Ownership: views into the caller's request. Threads: pure function.
// Limits: the path is cut at kMostPath bytes (then "path_cut":true stands behind it); a line has one '\n',
// at its end, whatever the request contained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::telemetry {

inline constexpr std::size_t kMostPath = 1024;

struct AccessRecord {
  WallTime time;  // the request's arrival
  TraceContext trace;
  std::string_view gateway;
  std::string_view route;  // empty: none matched; the member is left out
  std::string_view method;
  std::string_view target;       // as received; only what stands before '?' or '#' is written
  std::uint16_t status = 0;      // 0: the client left before it was answered
  std::optional<Reason> reason;  // of an answer of ours; left out for a service's
  std::uint64_t bytes = 0;       // of the answer as sent, head included, chunk sizes not
  Duration duration{0};          // from the head's last byte to the answer's last byte
  std::string_view service;      // empty: none was called; then instance and attempts are left out too
  std::string_view instance;     // of the last attempt; empty: none was picked
  std::uint32_t attempts = 0;
  std::string_view client;  // its address without the port, after trusted proxies
};

// Bytes that are not UTF-8 are written as U+FFFD. duration_ms is written to the microsecond.
void append_access_line(std::string& out, const AccessRecord& record);

}  // namespace flotilla::telemetry
