// The values a configuration file is written in: durations, sizes, shares, rates.
//
// A bare number where a unit belongs is an error that shows the right form, because `timeout: 5` means
// seconds to half of the readers. Errors say what the value must look like and never repeat the text: it may
// be a secret. Threads: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::config {

// So many in a time, written `100/s`.
struct Rate {
  std::uint64_t count = 0;
  Duration period{0};
};

// From the first to the largest, written `25ms..250ms`.
struct DurationRange {
  Duration first{0};
  Duration last{0};
};

struct HostPort {
  std::string_view host;  // without brackets
  std::uint16_t port = 0;
};

// `250us`, `250ms`, `5s`, `10m`, `1h`, `7d`: a whole number with a unit, at most ten years.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// `25ms..250ms`, the first not above the last.
[[nodiscard]] Result<DurationRange> parse_duration_range(std::string_view text);
// `512B`, `64KiB`, `10MiB`, `2GiB`; at most 1 TiB.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
// `25%`, `0.1%`: 0..1.
[[nodiscard]] Result<double> parse_share(std::string_view text);
// `100/s`, `1000/m`, `5/h`, `10/d`; at least 1.
[[nodiscard]] Result<Rate> parse_rate(std::string_view text);
// `127.0.0.1:8000`, `[::1]:8000`, `db.example:5432`. The host points into `text`.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);
// As one would write it, in the largest unit that divides it: 64KiB.
[[nodiscard]] std::string show_size(std::uint64_t bytes);
// An IPv4 or (without brackets) an IPv6 address rather than a name.
[[nodiscard]] bool is_ip_address(std::string_view host);

}  // namespace flotilla::config
