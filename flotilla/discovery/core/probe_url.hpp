// The URL of an HTTP check, taken apart: `http://host[:port][/path][?query]`.
//
// For: judging a registration's target, and sending the probe. https is refused until probes speak TLS.
// Ownership: values. Threads: pure function. Limits: the caller bounds the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"

namespace flotilla::discovery {

struct ProbeUrl {
  std::string host;       // without brackets
  std::string authority;  // as written, for the Host field
  std::uint16_t port = 80;
  std::string target = "/";  // path and query
};

// Errc::invalid or unsupported with a sentence that names the URL.
[[nodiscard]] Result<ProbeUrl> parse_probe_url(std::string_view url);

}  // namespace flotilla::discovery
