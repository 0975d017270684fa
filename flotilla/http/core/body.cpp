#include "flotilla/http/core/body.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/http/core/field_lines.hpp"
#include "flotilla/http/core/scan.hpp"

namespace flotilla::http {
namespace {

constexpr ProtocolError kTooLarge{413, Reason::too_large, "the body is too large"};

ProtocolError malformed(std::string_view message) { return {400, Reason::malformed, message}; }

// RFC 9110 6.5.1: what frames, routes, authenticates, or describes the content cannot come afterwards.
constexpr FieldSet kNoTrailers =
    kHopByHopFields |
    field_set(FieldId::host, FieldId::content_length, FieldId::expect, FieldId::x_forwarded_for,
              FieldId::x_forwarded_proto, FieldId::x_forwarded_host, FieldId::x_forwarded_port,
              FieldId::x_forwarded_path, FieldId::x_forwarded_prefix, FieldId::x_forwarded_other,
              FieldId::x_real_ip, FieldId::forwarded, FieldId::via, FieldId::traceparent, FieldId::tracestate,
              FieldId::authorization, FieldId::idempotency_key, FieldId::cookie, FieldId::set_cookie,
              FieldId::content_type, FieldId::content_encoding, FieldId::cache_control, FieldId::age,
              FieldId::vary, FieldId::expires, FieldId::date, FieldId::location, FieldId::retry_after,
              FieldId::max_forwards, FieldId::range, FieldId::if_none_match, FieldId::if_modified_since) |
    field_set(FieldId::www_authenticate, FieldId::identity, FieldId::reserved, FieldId::flotilla_error,
              FieldId::underscore_alias);

bool may_be_trailer(std::string_view name) {
  constexpr std::string_view kContent = "content-";
  return (field_bit(field_id(name)) & kNoTrailers) == 0 &&
         !(name.size() >= kContent.size() && iequals(name.substr(0, kContent.size()), kContent));
}

}  // namespace

void BodyDecoder::start(const Framing& framing, const BodyLimits& limits) {
  limits_ = limits;
  left_ = framing.length;
  received_ = 0;
  digits_ = 0;
  extension_ = 0;
  extensions_total_ = 0;
  error_ = {};
  trailer_bytes_.clear();
  trailer_scan_.reset();
  trailers_ = {};
  switch (framing.kind) {
    case Framing::Kind::none:
      state_ = State::done;
      break;
    case Framing::Kind::length:
      state_ = framing.length == 0 ? State::done : State::length;
      break;
    case Framing::Kind::chunked:
      state_ = State::size_first;
      break;
    case Framing::Kind::until_close:
      state_ = State::until_close;
      break;
  }
  if (state_ == State::length && left_ > limits_.total) {
    state_ = State::failed;
    error_ = kTooLarge;
  }
}

BodyDecoder::Piece BodyDecoder::feed(std::string_view bytes) {
  switch (state_) {
    case State::done:
      return {Piece::State::done, {}, 0, {}};
    case State::failed:
      return {Piece::State::error, {}, 0, error_};
    case State::length:
    case State::until_close:
      return feed_sized(bytes);
    default:
      return feed_chunked(bytes);
  }
}

bool BodyDecoder::finish() noexcept {
  if (state_ == State::until_close) {
    state_ = State::done;
  }
  return state_ == State::done;
}

BodyDecoder::Piece BodyDecoder::fail(std::size_t at, ProtocolError error) {
  state_ = State::failed;
  error_ = error;
  return {Piece::State::error, {}, at, error};
}

BodyDecoder::Piece BodyDecoder::feed_sized(std::string_view bytes) {
  if (state_ == State::until_close) {
    if (bytes.size() > limits_.total - received_) {
      return fail(0, kTooLarge);
    }
    received_ += bytes.size();
    return {Piece::State::more, bytes, bytes.size(), {}};
  }
  const std::string_view data = bytes.substr(0, left_);
  left_ -= data.size();
  received_ += data.size();
  state_ = left_ == 0 ? State::done : State::length;
  return {left_ == 0 ? Piece::State::done : Piece::State::more, data, data.size(), {}};
}

// RFC 9112 7.1, without any blank around the size.
BodyDecoder::Piece BodyDecoder::feed_chunked(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    switch (state_) {
      case State::size_first:
      case State::size: {
        const int digit = hex_digit(c);
        if (digit < 0 && state_ == State::size_first) {
          return fail(at, malformed("a chunk does not start with its size"));
        }
        if (digit >= 0) {
          left_ = (state_ == State::size_first ? 0 : left_ * 16) + static_cast<unsigned>(digit);
          digits_ = state_ == State::size_first ? 1 : digits_ + 1;
          state_ = State::size;
          if (digits_ > 16 || left_ > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return fail(at, malformed("a chunk's size is out of range"));
          }
        } else if (c == '\r') {
          state_ = State::size_lf;
        } else if (c == ';') {
          extension_ = 0;
          state_ = State::extension;
        } else {
          return fail(at, malformed("a chunk's size is followed by something else than CRLF"));
        }
        break;
      }
      case State::extension:
        if (c == '\r' && extension_ > 0) {
          state_ = State::size_lf;
        } else if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
          return fail(at, malformed("a chunk's extension is malformed"));
        } else if (++extension_ > limits_.extension || ++extensions_total_ > limits_.extensions_total) {
          return fail(at, malformed("the chunk extensions are too long"));
        }
        break;
      case State::size_lf:
        if (c != '\n') {
          return fail(at, malformed("a CR is not followed by LF"));
        }
        if (left_ == 0) {
          state_ = State::trailer;
          return feed_trailer(bytes, at + 1);
        }
        if (left_ > limits_.total - received_) {
          return fail(at, kTooLarge);
        }
        state_ = State::data;
        break;
      case State::data: {
        const std::string_view data = bytes.substr(at, left_);
        left_ -= data.size();
        received_ += data.size();
        state_ = left_ == 0 ? State::data_cr : State::data;
        return {Piece::State::more, data, at + data.size(), {}};
      }
      case State::data_cr:
      case State::data_lf:
        if (c != (state_ == State::data_cr ? '\r' : '\n')) {
          return fail(at, malformed("a chunk's data is not followed by CRLF"));
        }
        state_ = state_ == State::data_cr ? State::data_lf : State::size_first;
        break;
      case State::trailer:
        return feed_trailer(bytes, at);
      default:
        FLOTILLA_ASSERT(false);
    }
  }
  return {Piece::State::more, {}, bytes.size(), {}};
}

// Collects the trailer section, which ends with an empty line, and reads it when it is whole.
BodyDecoder::Piece BodyDecoder::feed_trailer(std::string_view bytes, std::size_t at) {
  if (trailer_bytes_.empty() && bytes.substr(at).starts_with("\r\n")) {
    state_ = State::done;
    return {Piece::State::done, {}, at + 2, {}};
  }
  const std::uint32_t total = limits_.trailers + 2;
  const HeadLimits limits{.first_line = total + 1, .total = total, .fields = limits_.trailer_fields};
  const std::size_t before = trailer_bytes_.size();
  trailer_bytes_.append(
      bytes.substr(at, total + std::size_t{1} - before));  // one too many tells that it is too long
  const ScanOutcome scanned = scan_head(trailer_bytes_, limits, trailer_scan_);
  if (scanned.result == ScanResult::need_more) {
    return {Piece::State::more, {}, bytes.size(), {}};
  }
  if (scanned.result != ScanResult::complete) {
    return fail(at, scan_error(scanned.result));
  }
  Head section;
  section.scan = std::move(trailer_scan_);
  if (section.scan.line_ends.size() > limits_.trailer_fields) {
    return fail(at, scan_error(ScanResult::too_many_fields));
  }
  if (const auto error = parse_field_lines(trailer_bytes_, 0, section)) {
    return fail(at, *error);
  }
  for (const FieldView& field : section.fields) {
    if (may_be_trailer(field.name)) {
      trailers_.add(std::string{field.name}, std::string{field.value});
    }
  }
  state_ = State::done;
  return {Piece::State::done, {}, at + scanned.end - before, {}};
}

void append_chunk_size(std::string& out, std::uint64_t size) {
  std::array<char, 18> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16);
  FLOTILLA_ASSERT(error == std::errc{});
  out.append(digits.data(), end);
  out.append("\r\n");
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) {
    return;
  }
  append_chunk_size(out, data.size());
  out.append(data);
  out.append(kChunkEnd);
}

void append_last_chunk(std::string& out, const Fields& trailers) {
  out.append("0\r\n");
  for (const Field& field : trailers) {
    if (may_be_trailer(field.name)) {
      out.append(field.name).append(": ").append(field.value).append("\r\n");
    }
  }
  out.append("\r\n");
}

}  // namespace flotilla::http
