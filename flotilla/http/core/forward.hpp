// Writing heads: those of forwarded messages, made from the received ones, and our own.
//
// Forwarding copies runs of unchanged header lines whole and leaves out what belongs to one
// connection or may not be believed (RFC 9110 7.6, gateway rules for X-Forwarded-*).
// Ownership: appends to the caller's string, keeps nothing. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/http/core/head.hpp"

namespace flotilla::http {

struct HeaderLine {
  std::string_view name;
  std::string_view value;
};

// How the forwarded message is framed.
struct FramingOut {
  enum class Kind : std::uint8_t {
    keep,     // as received; a body until close becomes chunked
    length,   // Content-Length: length
    chunked,  // Transfer-Encoding: chunked
    none,     // neither (no body; or, in a response, a body until close)
  };
  Kind kind = Kind::keep;
  std::uint64_t length = 0;
};
// What `keep` means for a message with this head: length, chunked or none. A body until close becomes
// chunked, or stays as it is (none) for an HTTP/1.0 receiver, who understands no chunks.
[[nodiscard]] FramingOut kept_framing(const Head& head, Version receiver) noexcept;

struct ForwardOptions {
  FramingOut framing;
  std::string_view host;            // Host to send; empty: the client's, as received
  std::string_view peer_address;    // who is connected to us; empty: no X-Forwarded-* and X-Real-IP are added
  std::string_view client_address;  // for X-Real-IP; empty: peer_address
  bool trusted_peer = false;        // believe its X-Forwarded-*, X-Real-IP and Forwarded
  std::string_view scheme = "http";   // of the connection to us
  std::uint16_t port = 80;            // our listener's
  std::string_view forwarded_path;    // X-Forwarded-Path, if not empty
  std::string_view forwarded_prefix;  // X-Forwarded-Prefix, if not empty
  bool from_outside = true;           // strip Saga-*, Event-*, Flotilla-* and the identity fields
  bool close = false;                 // the connection to the service is for this request only
  bool trailers = false;              // trailers will be forwarded: keep Trailer
  bool expect_continue = false;       // let the service decide: keep Expect
  FieldSet drop = 0;                  // further known fields to leave out (a plugin consumed them)
  std::string_view traceparent;       // replaces the received one, with tracestate, if not empty
  std::string_view tracestate;
  std::string_view via = "flotilla";  // pseudonym in Via; empty: no Via
  std::span<const HeaderLine> extra;  // appended as they are; names and values must be valid
};

// Appends the request head with its empty line. `target` is origin form, or "*".
// A websocket handshake keeps its upgrade; no other one is forwarded.
void append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const RequestHead& head, const ForwardOptions& options);

struct ResponseForwardOptions {
  FramingOut framing;
  Method request_method = Method::get;  // HEAD keeps Content-Length without a body
  Version client_version = Version::http_1_1;
  bool keep_alive = true;  // ours to the client; else Connection: close
  bool trailers = false;   // keep Trailer
  FieldSet drop = 0;
  std::string_view date;    // IMF-fixdate, added if the response has none; empty: not added
  std::string_view server;  // added if the response has none; empty: not added
  std::string_view via = "flotilla";
  std::span<const HeaderLine> extra;
};

// Appends the response head with its empty line. A 101 to a websocket handshake keeps its upgrade.
void append_response_head(std::string& out, const ResponseHead& head, const ResponseForwardOptions& options);

}  // namespace flotilla::http
