#include "flotilla/http/core/http1_parser.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "flotilla/base/text.hpp"
#include "flotilla/http/core/authority.hpp"
#include "flotilla/http/core/field_lines.hpp"
#include "flotilla/http/core/scan.hpp"
#include "flotilla/http/core/status.hpp"

namespace flotilla::http {
namespace {

using MaybeError = std::optional<ProtocolError>;

ProtocolError malformed(std::string_view message) { return {400, Reason::malformed, message}; }

ParseOutcome refused(const ProtocolError& error, HeadScan& scan) {
  scan.reset();
  return {ParseOutcome::State::error, 0, error};
}

constexpr std::uint8_t kHash = 1;
constexpr std::uint8_t kPercent = 2;
constexpr std::uint8_t kBlank = 4;
constexpr std::array<std::uint8_t, 256> kTargetClasses = [] {
  std::array<std::uint8_t, 256> table{};
  table['#'] = kHash;
  table['%'] = kPercent;
  table[' '] = kBlank;
  table['\t'] = kBlank;
  return table;
}();

MaybeError check_percent(std::string_view target) {
  for (std::size_t at = target.find('%'); at != std::string_view::npos; at = target.find('%', at + 3)) {
    if (at + 2 >= target.size()) {
      return malformed("the target ends within a percent-encoded byte");
    }
    const int high = hex_digit(target[at + 1]);
    const int low = hex_digit(target[at + 2]);
    if (high < 0 || low < 0) {
      return malformed("the target has a % that is not followed by two hex digits");
    }
    if (high == 0 && low == 0) {
      return malformed("the target encodes a NUL");
    }
  }
  return std::nullopt;
}

MaybeError check_target_bytes(std::string_view target) {
  unsigned found = 0;
  for (const char c : target) {
    found |= kTargetClasses[static_cast<unsigned char>(c)];
  }
  if (found == 0) {
    return std::nullopt;
  }
  if ((found & kBlank) != 0) {
    return malformed("the request line is not METHOD TARGET VERSION with single blanks");
  }
  if ((found & kHash) != 0) {
    return malformed("the target has a fragment");
  }
  return check_percent(target);
}

// Path and query of `text`, which starts with '/', '?' or is empty.
void split_path(std::string_view text, RequestHead& out) {
  const std::size_t mark = text.find('?');
  out.path = text.substr(0, mark);
  out.has_query = mark != std::string_view::npos;
  out.query = out.has_query ? text.substr(mark + 1) : std::string_view{};
  if (out.path.empty()) {
    out.path = "/";
  }
}

MaybeError set_host(std::string_view text, RequestHead& out) {
  const auto authority = parse_authority(text);
  if (!authority) {
    return malformed(out.absolute_form ? "the target's authority is malformed" : "Host is malformed");
  }
  out.host = authority->host;
  out.port = authority->port;
  bool upper = false;
  for (const char c : out.host) {
    upper |= c >= 'A' && c <= 'Z';
  }
  if (upper) {
    out.host_storage.assign(authority->host);
    std::ranges::transform(out.host_storage, out.host_storage.begin(), ascii_lower);
    out.host = out.host_storage;
  }
  return std::nullopt;
}

// RFC 9112 3.2.2.
MaybeError parse_absolute(std::string_view target, RequestHead& out) {
  const std::size_t colon = target.find("://");
  if (colon == std::string_view::npos ||
      (!iequals(target.substr(0, colon), "http") && !iequals(target.substr(0, colon), "https"))) {
    return malformed("the target is neither a path nor an http URI");
  }
  const std::string_view rest = target.substr(colon + 3);
  const std::size_t slash = rest.find_first_of("/?");
  out.absolute_form = true;
  if (auto error = set_host(rest.substr(0, slash), out)) {
    return error;
  }
  if (out.host.empty()) {
    return malformed("the target names no host");
  }
  split_path(slash == std::string_view::npos ? std::string_view{} : rest.substr(slash), out);
  if (slash == std::string_view::npos && out.method == Method::options) {
    out.path = "*";  // RFC 9112 3.2.4
  }
  return std::nullopt;
}

MaybeError parse_target(RequestHead& out) {
  if (auto error = check_target_bytes(out.target)) {
    return error;
  }
  if (out.target.front() == '/') {
    split_path(out.target, out);
    return std::nullopt;
  }
  if (out.target == "*") {
    if (out.method != Method::options) {
      return malformed("the target * is for OPTIONS only");
    }
    out.path = "*";
    return std::nullopt;
  }
  return parse_absolute(out.target, out);
}

// HTTP-name "/" DIGIT "." DIGIT, in upper case.
MaybeError parse_version(std::string_view text, Version& version) {
  if (text == "HTTP/1.1") {
    version = Version::http_1_1;
    return std::nullopt;
  }
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7])) {
    return malformed("the HTTP version is malformed");
  }
  if (text[5] != '1') {
    return ProtocolError{505, Reason::unsupported, "the HTTP version is neither 1.0 nor 1.1"};
  }
  version = text[7] == '0' ? Version::http_1_0 : Version::http_1_1;
  return std::nullopt;
}

MaybeError parse_request_line(std::string_view line, const HeadScan& scan, RequestHead& out) {
  const std::size_t method_end = token_end(scan, 0, line.size());
  if (method_end == 0 || method_end == line.size() || line[method_end] != ' ') {
    return malformed("the request does not start with a method");
  }
  const std::size_t version_at = line.rfind(' ') + 1;
  if (version_at <= method_end + 2) {
    return malformed("the request line is not METHOD TARGET VERSION with single blanks");
  }
  out.method_name = line.substr(0, method_end);
  out.method = method_from(out.method_name);
  out.target = line.substr(method_end + 1, version_at - 1 - (method_end + 1));
  if (auto error = parse_version(line.substr(version_at), out.version)) {
    return error;
  }
  if (out.method == Method::connect || out.method == Method::trace) {
    return ProtocolError{405, Reason::method_not_allowed, "CONNECT and TRACE are not served"};
  }
  return parse_target(out);
}

MaybeError apply_host(RequestHead& out) {
  const FieldView* host = out.find(FieldId::host);
  if (host == nullptr) {
    return out.version == Version::http_1_1 ? MaybeError{malformed("Host is missing")} : std::nullopt;
  }
  if (out.absolute_form) {
    return parse_authority(host->value) ? std::nullopt : MaybeError{malformed("Host is malformed")};
  }
  return set_host(host->value, out);
}

MaybeError apply_expect(RequestHead& out) {
  const FieldView* expect = out.find(FieldId::expect);
  if (expect == nullptr || out.version == Version::http_1_0) {
    return std::nullopt;  // RFC 9110 10.1.1: ignored in HTTP/1.0
  }
  if ((out.repeated & field_bit(FieldId::expect)) != 0 || !iequals(expect->value, "100-continue")) {
    return ProtocolError{417, Reason::unsupported, "the only expectation met is 100-continue"};
  }
  out.expect_continue = out.framing.has_body();
  return std::nullopt;
}

// RFC 6455 4.2.1. Anything less is an ordinary request whose Upgrade is not forwarded.
bool is_websocket_handshake(const RequestHead& head) {
  return head.connection_upgrade && head.method == Method::get && head.version == Version::http_1_1 &&
         !head.framing.has_body() && iequals(head.get(FieldId::upgrade).value_or(""), "websocket") &&
         head.get(FieldId::sec_websocket_version) == "13" && head.has(FieldId::sec_websocket_key);
}

// Fields of which a second one would let two readers see two requests.
constexpr FieldSet kSingleFields =
    field_set(FieldId::host, FieldId::content_length, FieldId::content_type, FieldId::authorization);

MaybeError parse_scanned_request(std::string_view head, RequestHead& out) {
  if (out.scan.line_ends.empty()) {
    return malformed("the request starts with empty lines");
  }
  if (auto error = parse_request_line(head.substr(0, out.scan.line_ends.front()), out.scan, out)) {
    return error;
  }
  if (auto error = parse_field_lines(head, 1, out)) {
    return error;
  }
  if ((out.repeated & kSingleFields) != 0) {
    return malformed("Host, Content-Length, Content-Type or Authorization is repeated");
  }
  if (auto error = apply_host(out)) {
    return error;
  }
  if (auto error = apply_framing(out)) {
    return error;
  }
  if (auto error = apply_connection(out)) {
    return error;
  }
  out.websocket = is_websocket_handshake(out);
  return apply_expect(out);
}

MaybeError parse_status_line(std::string_view line, ResponseHead& out) {
  // HTTP/1.1 200 Reason. A missing blank before a missing reason is common and harmless.
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) {
    return malformed("the status line is malformed");
  }
  if (auto error = parse_version(line.substr(0, 8), out.version)) {
    return error;
  }
  const auto status = parse_int<std::uint16_t>(line.substr(9, 3));
  if (!status || *status < 100 || *status > 599) {
    return malformed("the status code is not in 100..599");
  }
  out.status = *status;
  out.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  return std::nullopt;
}

// RFC 9112 6.3.
MaybeError apply_response_framing(Method request_method, ResponseHead& out) {
  const bool unframed = (out.present & field_set(FieldId::content_length, FieldId::transfer_encoding)) == 0;
  if (auto error = apply_framing(out)) {
    return error;
  }
  if (status_has_no_body(out.status)) {
    if (out.framing.kind == Framing::Kind::chunked && out.status != 304) {
      return malformed("a 1xx or 204 response has a Transfer-Encoding");
    }
    out.framing = {};
  } else if (request_method == Method::head) {
    out.framing = {};
  } else if (unframed) {
    out.framing = {Framing::Kind::until_close, 0};
    out.keep_alive = false;
  }
  return std::nullopt;
}

MaybeError parse_scanned_response(std::string_view head, Method request_method, ResponseHead& out) {
  if (out.scan.line_ends.empty()) {
    return malformed("the response starts with an empty line");
  }
  if (auto error = parse_status_line(head.substr(0, out.scan.line_ends.front()), out)) {
    return error;
  }
  if (auto error = parse_field_lines(head, 1, out)) {
    return error;
  }
  if (auto error = apply_connection(out)) {
    return error;
  }
  out.websocket = out.status == 101 && out.connection_upgrade &&
                  iequals(out.get(FieldId::upgrade).value_or(""), "websocket");
  return apply_response_framing(request_method, out);
}

}  // namespace

ParseOutcome parse_request_head(std::string_view bytes, const HeadLimits& limits, RequestHead& out) {
  HeadScan& scan = out.scan;
  if (scan.scanned == 0 && scan.skipped == 0) {
    out.clear();
    if (bytes.empty() || bytes == "\r") {
      return {};
    }
    scan.skipped = bytes.starts_with("\r\n") ? 2 : 0;  // RFC 9112 2.2: one is tolerated
  }
  const std::string_view head = bytes.substr(scan.skipped);
  const ScanOutcome scanned = scan_head(head, limits, scan);
  if (scanned.result == ScanResult::need_more) {
    return {};
  }
  if (scanned.result != ScanResult::complete) {
    return refused(scan_error(scanned.result), scan);
  }
  if (const MaybeError error = parse_scanned_request(head.substr(0, scanned.end), out)) {
    return refused(*error, scan);
  }
  const std::size_t consumed = scan.skipped + scanned.end;
  scan.reset();
  return {ParseOutcome::State::done, consumed, {}};
}

ParseOutcome parse_response_head(std::string_view bytes, const HeadLimits& limits, Method request_method,
                                 ResponseHead& out) {
  HeadScan& scan = out.scan;
  if (scan.scanned == 0) {
    out.clear();
  }
  const ScanOutcome scanned = scan_head(bytes, limits, scan);
  if (scanned.result == ScanResult::need_more) {
    return {};
  }
  if (scanned.result != ScanResult::complete) {
    return refused(scan_error(scanned.result), scan);
  }
  if (const MaybeError error = parse_scanned_response(bytes.substr(0, scanned.end), request_method, out)) {
    return refused(*error, scan);
  }
  scan.reset();
  return {ParseOutcome::State::done, scanned.end, {}};
}

}  // namespace flotilla::http
