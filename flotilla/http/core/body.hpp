// Bodies of HTTP/1.1 messages: taking them out of their framing and putting them into one.
//
// Ownership: pieces are views into the bytes given; only trailers are kept inside.
// Threads: plain data. Limits: BodyLimits; memory is bounded by `trailers`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "flotilla/http/core/head.hpp"
#include "flotilla/http/core/http1_parser.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::http {

struct BodyLimits {
  std::uint64_t total = std::numeric_limits<std::uint64_t>::max();  // payload bytes; beyond: 413 too-large
  std::uint32_t extension = 256;              // bytes of one chunk's extensions; beyond: 400
  std::uint32_t extensions_total = 4 * 1024;  // of all chunks together; beyond: 400
  std::uint32_t trailers = 8 * 1024;          // bytes of the trailer section; beyond: 431
  std::uint32_t trailer_fields = 32;
};

// A machine that is fed the bytes behind a head and gives back the payload, piece by piece.
class BodyDecoder {
 public:
  struct Piece {
    enum class State : std::uint8_t {
      more,   // `data` (perhaps empty) was found; feed what follows `consumed`, once there is any
      done,   // the body is complete; what follows `consumed` is not part of it
      error,  // see `error`; the connection cannot be used further
    };
    State state = State::more;
    std::string_view data;  // payload, in `bytes`
    std::size_t consumed = 0;
    ProtocolError error;
  };

  // Begins a body. A length over the limit is reported by the first feed(); whoever wants to refuse
  // before asking for the body compares framing.length itself.
  void start(const Framing& framing, const BodyLimits& limits);

  // Looks at `bytes` up to and with the next run of payload. Call again with the rest while any is
  // left and the state is `more`.  An empty body is done on the first call, even with no bytes.
  [[nodiscard]] Piece feed(std::string_view bytes);

  // The peer closed. True if the body is complete (then at the latest it is done); false if it was
  // cut off, and must not be passed on as if it were whole (RFC 9112 8).
  [[nodiscard]] bool finish() noexcept;

  [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  // Trailer fields after a chunked body, without those that may not stand there (RFC 9110 6.5.1).
  [[nodiscard]] const Fields& trailers() const noexcept { return trailers_; }

 private:
  enum class State : std::uint8_t {
    length,
    until_close,
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    done,
    failed,
  };
  Piece feed_sized(std::string_view bytes);
  Piece feed_chunked(std::string_view bytes);
  Piece feed_trailer(std::string_view bytes, std::size_t at);
  Piece fail(std::size_t at, ProtocolError error);

  State state_ = State::done;
  BodyLimits limits_;
  std::uint64_t left_ = 0;      // of the body (length) or of the chunk
  std::uint64_t received_ = 0;  // payload so far
  std::uint32_t digits_ = 0;
  std::uint32_t extension_ = 0;
  std::uint32_t extensions_total_ = 0;
  ProtocolError error_;
  std::string trailer_bytes_;  // the trailer section as far as received
  HeadScan trailer_scan_;
  Fields trailers_;
};

// One chunk with `data`; nothing for empty data, which would end the body.
void append_chunk(std::string& out, std::string_view data);
// Only the size line, for data that is sent on its own; follow the data by kChunkEnd.
void append_chunk_size(std::string& out, std::uint64_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
// The end of a chunked body without trailers.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
// The end of a chunked body with these trailers; fields that may not be trailers are left out.
void append_last_chunk(std::string& out, const Fields& trailers);

}  // namespace flotilla::http
