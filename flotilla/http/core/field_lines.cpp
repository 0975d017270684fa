#include "flotilla/http/core/field_lines.hpp"

#include <array>
#include <cstdint>
#include <limits>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"

namespace flotilla::http {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

ProtocolError malformed(std::string_view message) { return {400, Reason::malformed, message}; }

// Why the name that ends at `at` is no name.
ProtocolError name_error(std::string_view line, std::size_t at) {
  if (at == 0 && is_blank(line.front())) {
    return malformed("a header line starts with a blank (obsolete line folding)");
  }
  if (at == 0) {
    return malformed("a header line has no name");
  }
  if (at < line.size() && is_blank(line[at])) {
    return malformed("a header name is followed by a blank");
  }
  return malformed(at == line.size() ? "a header line has no colon"
                                     : "a header name has an invalid character");
}

// Unknown names that one head's Connection fields may nominate. Real ones name one or two.
constexpr std::size_t kNominationsMax = 16;

struct Nominations {
  std::array<std::string_view, kNominationsMax> names;
  std::size_t count = 0;
};

// Only names that nothing else is decided on can be dropped by nomination: hop-by-hop fields are
// dropped anyway, and the end-to-end fields we know must not be stripped by a client
// (RFC 9110 7.6.1 forbids to nominate those).
bool may_be_nominated(std::string_view name) { return field_id(name) == FieldId::other; }

std::optional<ProtocolError> read_connection(std::string_view value, Head& out, Nominations& nominations,
                                             bool& close, bool& keep) {
  while (const auto option = next_element(value)) {
    if (option->empty()) {
      continue;  // a list may have empty elements (RFC 9110 5.6.1.2)
    }
    if (!is_token(*option)) {
      return malformed("Connection is not a list of tokens");
    }
    if (iequals(*option, "close")) {
      close = true;
    } else if (iequals(*option, "keep-alive")) {
      keep = true;
    } else if (iequals(*option, "upgrade")) {
      out.connection_upgrade = true;
    } else if (may_be_nominated(*option)) {
      if (nominations.count == kNominationsMax) {
        return malformed("Connection names too many fields");
      }
      nominations.names[nominations.count++] = *option;
    }
  }
  return std::nullopt;
}

void mark_nominated(const Nominations& nominations, Head& out) {
  for (FieldView& field : out.fields) {
    for (std::size_t i = 0; field.id == FieldId::other && i < nominations.count; ++i) {
      field.nominated = field.nominated || iequals(field.name, nominations.names[i]);
    }
  }
}

// Transfer-Encoding that is not just "chunked": well-formed but unknown to us (501), or not even that.
// Names that merely contain "chunked" are attempts to be read differently by someone behind us.
ProtocolError coding_error(std::string_view value) {
  const ProtocolError bad = malformed("Transfer-Encoding is malformed");
  bool chunked_seen = false;
  while (const auto coding = next_element(value)) {
    const std::string lower = to_lower(*coding);
    const bool is_chunked = lower == "chunked";
    if (!is_token(*coding) || chunked_seen || (!is_chunked && lower.find("chunked") != std::string::npos)) {
      return bad;
    }
    chunked_seen = is_chunked;
  }
  return {501, Reason::unsupported, "the only transfer coding supported is chunked"};
}

}  // namespace

std::optional<std::string_view> next_element(std::string_view& list) noexcept {
  if (list.data() == nullptr) {
    return std::nullopt;
  }
  const std::size_t comma = list.find(',');
  const std::string_view element = trim(list.substr(0, comma));
  list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  return element;
}

ProtocolError scan_error(ScanResult result) noexcept {
  switch (result) {
    case ScanResult::bare_lf:
      return malformed("a line ends with LF instead of CRLF");
    case ScanResult::bare_cr:
      return malformed("a CR is not followed by LF");
    case ScanResult::control:
      return malformed("the head contains a control character");
    case ScanResult::line_too_long:
      return {414, Reason::too_large, "the request line is too long"};
    case ScanResult::head_too_long:
      return {431, Reason::too_large, "the header section is too large"};
    case ScanResult::too_many_fields:
      return {431, Reason::too_large, "the head has too many fields"};
    case ScanResult::complete:
    case ScanResult::need_more:
      break;
  }
  FLOTILLA_ASSERT(false);
}

std::optional<ProtocolError> parse_field_lines(std::string_view head, std::size_t first_line, Head& out) {
  const HeadScan& scan = out.scan;
  std::size_t start = first_line == 0 ? 0 : scan.line_ends[first_line - 1] + std::size_t{2};
  for (std::size_t line = first_line; line < scan.line_ends.size(); ++line) {
    const std::size_t end = scan.line_ends[line];
    const std::size_t colon = token_end(scan, start, end);
    if (colon == start || colon == end || head[colon] != ':') {
      return name_error(head.substr(start, end - start), colon - start);
    }
    std::size_t from = colon + 1;
    std::size_t to = end;
    while (from < to && is_blank(head[from])) {
      ++from;
    }
    while (to > from && is_blank(head[to - 1])) {
      --to;
    }
    out.add(head.substr(start, colon - start), head.substr(from, to - from),
            head.substr(start, end + 2 - start));
    start = end + 2;
  }
  return std::nullopt;
}

std::optional<ProtocolError> apply_connection(Head& out) {
  bool close = false;
  bool keep = false;
  if (out.has(FieldId::connection)) {
    Nominations nominations;
    for (const FieldView& field : out.fields) {
      if (field.id == FieldId::connection) {
        if (auto error = read_connection(field.value, out, nominations, close, keep)) {
          return error;
        }
      }
    }
    mark_nominated(nominations, out);
  }
  out.keep_alive = !close && (out.version == Version::http_1_1 || keep);
  return std::nullopt;
}

std::optional<ProtocolError> apply_framing(Head& out) {
  constexpr FieldSet kFraming = field_set(FieldId::content_length, FieldId::transfer_encoding);
  const FieldSet seen = out.present & kFraming;
  out.framing = {};
  if (seen == 0) {
    return std::nullopt;
  }
  if (seen == kFraming) {
    return malformed("Transfer-Encoding and Content-Length exclude each other");
  }
  if ((out.repeated & kFraming) != 0) {
    return malformed(out.has(FieldId::content_length) ? "Content-Length is repeated"
                                                      : "Transfer-Encoding is repeated");
  }
  if (const FieldView* coding = out.find(FieldId::transfer_encoding)) {
    if (out.version == Version::http_1_0) {
      return malformed("HTTP/1.0 has no Transfer-Encoding");
    }
    if (!iequals(coding->value, "chunked")) {
      return coding_error(coding->value);
    }
    out.framing = {Framing::Kind::chunked, 0};
    return std::nullopt;
  }
  const auto length = parse_int<std::uint64_t>(out.find(FieldId::content_length)->value);
  if (!length || *length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return malformed("Content-Length is not a number in range");
  }
  out.framing = {Framing::Kind::length, *length};
  return std::nullopt;
}

}  // namespace flotilla::http
