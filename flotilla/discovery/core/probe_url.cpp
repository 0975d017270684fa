#include "flotilla/discovery/core/probe_url.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::discovery {

Result<ProbeUrl> parse_probe_url(std::string_view url) {
  constexpr std::string_view scheme = "http://";
  const auto bad = [&](std::string_view why) {
    return fail(Errc::invalid, fmt::format("'{}' {}", url, why));
  };
  if (iequals(url.substr(0, 8), "https://")) {
    return fail(Errc::unsupported,
                fmt::format("'{}': https checks are not in this build; use http or TCP", url));
  }
  if (!iequals(url.substr(0, scheme.size()), scheme)) {
    return bad("is not a URL like http://HOST:PORT/PATH");
  }
  // What does not belong into a request line must not get there: it could end the line early.
  if (std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; })) {
    return bad("has a blank or a control character");
  }
  std::string_view rest = url.substr(scheme.size());
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  ProbeUrl parsed{.host = {}, .authority = std::string(rest.substr(0, end))};
  const std::string_view target = rest.substr(end);
  parsed.target = target.starts_with('/') ? std::string(target) : fmt::format("/{}", target);
  std::string_view host = parsed.authority;
  if (host.contains('@')) {
    return bad("carries credentials; put them into Header");
  }
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const auto number = parse_int<std::uint16_t>(host.substr(colon + 1));
    if (!number || *number == 0) {
      return bad("has no port between 1 and 65535");
    }
    parsed.port = *number;
    host = host.substr(0, colon);
  }
  if (bracket != std::string_view::npos) {
    if (host.size() != bracket + 1) {
      return bad("has text after the bracket");
    }
    host = host.substr(1, bracket - 1);
  }
  if (host.empty() || host.starts_with('[')) {
    return bad("names no host");
  }
  parsed.host = host;
  return parsed;
}

}  // namespace flotilla::discovery
