// Strict, incremental parsers of HTTP/1.1 heads (RFC 9112, RFC 9110).
//
// Strict because a gateway that guesses can be made to disagree with the server behind it
// (request smuggling, RFC 9112 11.2): CRLF only, no folding, no blank before a colon, one framing.
// How it works: scan.hpp classifies 64 bytes at a time and finds the lines; only a complete head is
// then taken apart, with bit tests instead of byte loops. Control characters, bare CR or LF and
// oversize are refused as soon as they are seen.
// Ownership and limits: head.hpp. Threads: none. Cost: each byte is scanned once however the head
// is split (up to 63 bytes again per call).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "flotilla/http/core/head.hpp"

namespace flotilla::http {

// Why a message was refused. For responses the caller answers 502 whatever `status` says.
struct ProtocolError {
  std::uint16_t status = 0;
  Reason reason = Reason::malformed;
  std::string_view message;  // static text, for people
};

struct ParseOutcome {
  enum class State : std::uint8_t { done, need_more, error };
  State state = State::need_more;
  std::size_t consumed = 0;  // done: the head's length; the body starts there
  ProtocolError error;       // error: answer and close, nothing behind it can be trusted

  [[nodiscard]] bool done() const noexcept { return state == State::done; }
  [[nodiscard]] bool failed() const noexcept { return state == State::error; }
};

// `bytes`: all that was received from the head's first byte on. After need_more call again with the
// same bytes and more behind them (they may have moved). After done or error the next call starts a
// new head; to drop a half-received one call out.clear().
// Statuses: 400; 405 (CONNECT, TRACE); 414; 417; 431; 501 (transfer coding); 505.
[[nodiscard]] ParseOutcome parse_request_head(std::string_view bytes, const HeadLimits& limits,
                                              RequestHead& out);

// `request_method` decides whether a body follows (HEAD). A 1xx head is done like any other; parse
// the next one behind it.
[[nodiscard]] ParseOutcome parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                               Method request_method, ResponseHead& out);

}  // namespace flotilla::http
