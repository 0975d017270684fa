#include "flotilla/admin/core/control_guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/authority.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::admin {
namespace {

constexpr std::size_t kMostQuoted = 100;  // characters of a header that an error message repeats

// Four decimal numbers of 0..255 without leading zeros: "127.1" and "127.0.0.1.example.com" are names.
bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    std::uint8_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc{} || (digits > 1 && text.front() == '0')) {
      return false;
    }
    text.remove_prefix(digits);
    if (part < 3) {
      if (!text.starts_with('.')) {
        return false;
      }
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

bool is_address(std::string_view host) { return host.starts_with('[') || is_ipv4(host); }

bool is_loopback(std::string_view host) {
  constexpr std::string_view kBelow = ".localhost";  // RFC 6761 6.3: names below it are loopback too
  const bool below = host.size() > kBelow.size() && iequals(host.substr(host.size() - kBelow.size()), kBelow);
  return iequals(host, "localhost") || below || host == "[::1]" ||
         (host.starts_with("127.") && is_ipv4(host));
}

bool is_safe(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

// The types that a page may send across origins without asking first (Fetch, "CORS-safelisted").
bool is_form_type(std::string_view content_type) {
  constexpr std::array<std::string_view, 3> kTypes{"application/x-www-form-urlencoded", "multipart/form-data",
                                                   "text/plain"};
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  return std::ranges::any_of(kTypes, [type](std::string_view form) { return iequals(type, form); });
}

// The Origin is the page of this port itself: same host and port as the Host. Schemes may differ, because
// TLS may end before us.
bool is_same_origin(std::string_view origin, const http::Authority& host) {
  const bool tls = origin.starts_with("https://");
  if (!tls && !origin.starts_with("http://")) {
    return false;  // "null", extensions, files
  }
  const auto authority = http::parse_authority(origin.substr(tls ? 8 : 7));
  if (!authority || !iequals(authority->host, host.host)) {
    return false;
  }
  const std::uint16_t usual = tls ? 443 : 80;
  return authority->port.value_or(usual) == host.port.value_or(usual);
}

// Touches every byte of `given`, and never stops early.
bool equal_in_constant_time(std::string_view given, std::string_view expected) {
  volatile unsigned difference = given.size() == expected.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto a = static_cast<unsigned char>(given[i]);
    const auto b = static_cast<unsigned char>(expected[i % expected.size()]);
    difference = difference | (a ^ static_cast<unsigned>(b));
  }
  return difference == 0;
}

ControlRefusal forbidden(std::string detail) { return {Reason::forbidden, std::move(detail)}; }

}  // namespace

ControlGuard::ControlGuard(ControlGuardOptions options) : options_(std::move(options)) {}

bool ControlGuard::is_own_host(std::string_view host) const {
  if (is_loopback(host)) {
    return true;
  }
  if (is_address(host)) {
    // A page cannot have a foreign address for its origin and be this port; only names can be rebound.
    const bool any = options_.listen_ip == "0.0.0.0" || options_.listen_ip == "::";
    const std::string_view bare = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
    return any || iequals(bare, options_.listen_ip);
  }
  return std::ranges::any_of(options_.hosts, [host](const std::string& own) { return iequals(own, host); });
}

std::optional<ControlRefusal> ControlGuard::check_origin(const http::Request& request) const {
  const std::string_view host_text = request.headers.get("Host").value_or("");
  const auto host = http::parse_authority(host_text);
  // Without a Host it is an HTTP/1.0 client: no browser.
  if (!host || (!host->host.empty() && !is_own_host(host->host))) {
    return forbidden(
        fmt::format("Host \"{}\" is not a name of this control port; ask by its address, or by localhost",
                    host_text.substr(0, kMostQuoted)));
  }
  const auto origin = request.headers.get("Origin");
  if (origin && !is_same_origin(*origin, *host)) {
    return forbidden(
        fmt::format("Origin \"{}\" is not this control port: pages from elsewhere may not use it",
                    origin->substr(0, kMostQuoted)));
  }
  // A link may lead here: the page it comes from sees nothing of the answer.
  const bool is_link = (request.method == "GET" || request.method == "HEAD") &&
                       request.headers.get("Sec-Fetch-Mode") == "navigate" &&
                       request.headers.get("Sec-Fetch-Dest") == "document";
  if (request.headers.get("Sec-Fetch-Site") == "cross-site" && !is_link) {
    return forbidden("Sec-Fetch-Site: cross-site: pages from elsewhere may not use this control port");
  }
  if (origin && !is_safe(request.method) && is_form_type(request.headers.get("Content-Type").value_or(""))) {
    return forbidden("a browser may not send forms or plain text here; send application/json");
  }
  return std::nullopt;
}

bool ControlGuard::has_token(const http::Request& request) const {
  const auto is_token = [this](std::optional<std::string_view> given) {
    return given && equal_in_constant_time(*given, options_.token);
  };
  constexpr std::string_view kBearer = "Bearer ";
  if (const auto authorization = request.headers.get("Authorization");
      authorization && iequals(authorization->substr(0, kBearer.size()), kBearer) &&
      is_token(trim(authorization->substr(kBearer.size())))) {
    return true;
  }
  if (is_token(request.headers.get("X-Flotilla-Token"))) {
    return true;
  }
  if (!options_.consul_token) {
    return false;
  }
  const std::size_t query = request.target.find('?');
  return is_token(request.headers.get("X-Consul-Token")) ||
         (query != std::string::npos &&
          is_token(http::query_value(std::string_view(request.target).substr(query + 1), "token")));
}

std::optional<ControlRefusal> ControlGuard::check(const http::Request& request) const {
  if (auto refusal = check_origin(request)) {
    return refusal;
  }
  if (!options_.token.empty() && !has_token(request)) {
    return ControlRefusal{Reason::unauthenticated,
                          "this control port asks for a token: send Authorization: Bearer TOKEN"};
  }
  return std::nullopt;
}

}  // namespace flotilla::admin
