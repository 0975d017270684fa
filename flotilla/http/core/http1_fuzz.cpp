#include "flotilla/http/core/http1_fuzz.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/random.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/http/core/authority.hpp"
#include "flotilla/http/core/body.hpp"
#include "flotilla/http/core/forward.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/uri.hpp"

namespace flotilla::http::fuzz {
namespace {

std::string_view text_of(std::span<const std::byte> input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

// Small, so that a fuzzer reaches them.
constexpr HeadLimits kLimits{.first_line = 200, .total = 600, .fields = 12};

// The outcome must not depend on the pieces. Their sizes come from the input itself.
template <class Parse>
ParseOutcome parse_in_pieces(std::string_view bytes, Parse parse) {
  Random random{bytes.size()};
  ParseOutcome outcome;
  std::string moved;
  for (std::size_t at = 0; outcome.state == ParseOutcome::State::need_more && at < bytes.size();) {
    at = std::min(bytes.size(), at + 1 + random.below(random.below(4) == 0 ? 90 : 4));
    moved = std::string{bytes.substr(0, at)};
    outcome = parse(moved);
  }
  return outcome;
}

void same_outcome(const ParseOutcome& whole, const ParseOutcome& pieces) {
  FLOTILLA_ASSERT(whole.state == pieces.state);
  FLOTILLA_ASSERT(whole.consumed == pieces.consumed);
  FLOTILLA_ASSERT(whole.error.status == pieces.error.status);
}

void views_are_inside(const Head& head, std::string_view bytes) {
  const char* at = nullptr;
  for (const FieldView& field : head.fields) {
    FLOTILLA_ASSERT(at == nullptr || field.line.data() == at);
    at = field.line.data() + field.line.size();
    FLOTILLA_ASSERT(field.line.data() >= bytes.data() && at <= bytes.data() + bytes.size());
    FLOTILLA_ASSERT(field.line.ends_with("\r\n") && field.line.find('\r') == field.line.size() - 2);
    FLOTILLA_ASSERT(field.id == field_id(field.name));
  }
}

struct Payload {
  std::string data;
  std::size_t consumed = 0;
  std::uint16_t error = 0;
  bool done = false;
  Fields trailers;
};

constexpr BodyLimits kBodyLimits{
    .total = 300, .extension = 20, .extensions_total = 40, .trailers = 100, .trailer_fields = 3};

Payload decode(std::string_view bytes, std::uint64_t largest_piece, const BodyLimits& limits = kBodyLimits) {
  BodyDecoder body;
  body.start({Framing::Kind::chunked, 0}, limits);
  Payload payload;
  Random random{largest_piece};
  while (payload.consumed < bytes.size() && !body.done() && payload.error == 0) {
    const std::size_t size = largest_piece == 0 ? bytes.size() : 1 + random.below(largest_piece);
    const BodyDecoder::Piece piece = body.feed(bytes.substr(payload.consumed, size));
    const bool failed = piece.state == BodyDecoder::Piece::State::error;
    FLOTILLA_ASSERT(failed || piece.consumed > 0);
    payload.data += piece.data;
    payload.consumed = failed ? 0 : payload.consumed + piece.consumed;
    payload.error = piece.error.status;
    if (failed) {
      break;
    }
  }
  payload.done = body.done();
  payload.trailers = body.trailers();
  return payload;
}

}  // namespace

void request(std::span<const std::byte> input) {
  const std::string_view bytes = text_of(input);
  RequestHead head;
  const ParseOutcome whole = parse_request_head(bytes, kLimits, head);
  RequestHead split;
  if (!bytes.empty()) {
    same_outcome(whole, parse_in_pieces(bytes, [&](std::string_view seen) {
                   return parse_request_head(seen, kLimits, split);
                 }));
  }
  if (!whole.done()) {
    return;
  }
  views_are_inside(head, bytes);
  FLOTILLA_ASSERT(head.framing == split.framing && head.keep_alive == split.keep_alive);
  std::string target{head.path};
  if (head.has_query) {
    target.append("?").append(head.query);
  }
  std::string forwarded;
  append_request_head(forwarded, head.method_name, target, head, {.peer_address = "192.0.2.1"});
  RequestHead again;
  const ParseOutcome outcome =
      parse_request_head(forwarded, {.first_line = 4000, .total = 9000, .fields = 40}, again);
  // HTTP/1.0 may lack a Host, which the caller would supply.
  FLOTILLA_ASSERT(outcome.done() || (head.version == Version::http_1_0 && !head.has(FieldId::host)));
  if (outcome.done()) {
    FLOTILLA_ASSERT(outcome.consumed == forwarded.size());
    FLOTILLA_ASSERT(again.framing == head.framing);
    FLOTILLA_ASSERT(again.method_name == head.method_name && again.path == head.path &&
                    again.query == head.query);
    FLOTILLA_ASSERT(again.host == head.host && again.port == head.port);
    FLOTILLA_ASSERT(again.websocket == head.websocket);
    FLOTILLA_ASSERT(!again.has(FieldId::reserved) && !again.has(FieldId::identity));
  }
}

void response(std::span<const std::byte> input) {
  const std::string_view bytes = text_of(input);
  for (const Method method : {Method::get, Method::head}) {
    ResponseHead head;
    const ParseOutcome whole = parse_response_head(bytes, kLimits, method, head);
    ResponseHead split;
    if (!bytes.empty()) {
      same_outcome(whole, parse_in_pieces(bytes, [&](std::string_view seen) {
                     return parse_response_head(seen, kLimits, method, split);
                   }));
    }
    if (!whole.done()) {
      continue;
    }
    views_are_inside(head, bytes);
    std::string forwarded;
    append_response_head(forwarded, head, {.request_method = method, .date = "D", .server = "S"});
    ResponseHead again;
    const ParseOutcome outcome =
        parse_response_head(forwarded, {.first_line = 4000, .total = 9000, .fields = 40}, method, again);
    FLOTILLA_ASSERT(outcome.done() && outcome.consumed == forwarded.size());
    FLOTILLA_ASSERT(again.status == head.status && !again.has(FieldId::flotilla_error));
    const bool rechunked = head.framing.kind == Framing::Kind::until_close;
    FLOTILLA_ASSERT(again.framing == (rechunked ? Framing{Framing::Kind::chunked, 0} : head.framing));
  }
}

void chunked(std::span<const std::byte> input) {
  const std::string_view bytes = text_of(input);
  const Payload whole = decode(bytes, 0);
  for (const std::uint64_t largest : {1UL, 3UL, 40UL}) {
    const Payload pieces = decode(bytes, largest);
    FLOTILLA_ASSERT(pieces.error == whole.error && pieces.done == whole.done);
    FLOTILLA_ASSERT(pieces.data == whole.data && pieces.trailers == whole.trailers);
    FLOTILLA_ASSERT(pieces.consumed == whole.consumed);
  }
  if (whole.done) {
    std::string again;
    append_chunk(again, whole.data);
    append_last_chunk(again, whole.trailers);
    const Payload copy = decode(again, 0, {});  // our spelling may be longer
    FLOTILLA_ASSERT(copy.done && copy.data == whole.data && copy.trailers == whole.trailers);
  }
}

void uri(std::span<const std::byte> input) {
  const std::string_view text = text_of(input);
  std::string scratch;
  if (const auto normal = normalize_path(text, scratch)) {
    const std::string path{normal->path};
    FLOTILLA_ASSERT(path.starts_with('/') && path.find("//") == std::string::npos);
    FLOTILLA_ASSERT((path + "/").find("/../") == std::string::npos &&
                    (path + "/").find("/./") == std::string::npos);
    std::string again;
    FLOTILLA_ASSERT(normalize_path(path, again)->path == path);
  }
  std::string encoded;
  percent_encode_segment(encoded, text);
  FLOTILLA_ASSERT(percent_decode(encoded) == text);
  std::size_t parameters = 0;
  for (QueryParameters query{text}; query.next();) {
    ++parameters;
  }
  FLOTILLA_ASSERT(parameters <= text.size());
  if (const auto authority = parse_authority(text)) {
    FLOTILLA_ASSERT(authority->host.size() <= text.size() &&
                    authority->host.find('@') == std::string_view::npos);
    std::string again{authority->host};
    again += authority->port ? ":" + std::to_string(*authority->port) : "";
    const auto copy = parse_authority(again);
    FLOTILLA_ASSERT(copy && copy->host == authority->host && copy->port == authority->port);
  }
}

}  // namespace flotilla::http::fuzz
