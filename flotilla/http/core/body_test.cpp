#include "flotilla/http/core/body.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::http {
namespace {

using State = BodyDecoder::Piece::State;

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  std::uint16_t error = 0;
  bool done = false;
};

Decoded decode(BodyDecoder& body, std::string_view bytes, std::size_t step) {
  Decoded result;
  while (result.consumed < bytes.size() && !body.done()) {
    const std::string_view window = bytes.substr(result.consumed, step);
    const BodyDecoder::Piece piece = body.feed(window);
    result.data += piece.data;
    result.consumed += piece.consumed;
    if (piece.state == State::error) {
      result.error = piece.error.status;
      return result;
    }
  }
  result.done = body.done();
  return result;
}

constexpr Framing kChunked{Framing::Kind::chunked, 0};

TEST(BodyDecoder, NoneAndZeroAreDoneAtOnce) {
  BodyDecoder body;
  for (const Framing framing : {Framing{}, Framing{Framing::Kind::length, 0}}) {
    body.start(framing, {});
    EXPECT_TRUE(body.done());
    const BodyDecoder::Piece piece = body.feed("next message");
    EXPECT_EQ(piece.state, State::done);
    EXPECT_EQ(piece.consumed, 0U);
  }
}

TEST(BodyDecoder, LengthStopsAtItsEnd) {
  BodyDecoder body;
  body.start({Framing::Kind::length, 5}, {});
  const BodyDecoder::Piece first = body.feed("he");
  EXPECT_EQ(first.state, State::more);
  EXPECT_FALSE(body.finish());  // cut off here
  const BodyDecoder::Piece rest = body.feed("lloGET /");
  EXPECT_EQ(rest.state, State::done);
  EXPECT_EQ(rest.data, "llo");
  EXPECT_EQ(rest.consumed, 3U);
  EXPECT_TRUE(body.finish());
}

TEST(BodyDecoder, UntilCloseEndsByFinish) {
  BodyDecoder body;
  body.start({Framing::Kind::until_close, 0}, {.total = 5});
  EXPECT_EQ(body.feed("abc").state, State::more);
  EXPECT_FALSE(body.done());
  EXPECT_TRUE(body.finish());
  EXPECT_TRUE(body.done());
  body.start({Framing::Kind::until_close, 0}, {.total = 5});
  EXPECT_EQ(body.feed("abcdef").error.status, 413);
}

TEST(BodyDecoder, TotalLimitIsExact) {
  BodyDecoder body;
  body.start({Framing::Kind::length, 5}, {.total = 5});
  EXPECT_EQ(body.feed("hello").state, State::done);
  body.start({Framing::Kind::length, 6}, {.total = 5});
  EXPECT_EQ(body.feed("").error.status, 413);
  body.start(kChunked, {.total = 5});
  EXPECT_TRUE(decode(body, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 100).done);
  body.start(kChunked, {.total = 5});
  const Decoded over = decode(body, "3\r\nabc\r\n3\r\nde", 100);
  EXPECT_EQ(over.error, 413);
  EXPECT_EQ(over.data, "abc");                  // nothing of the chunk that goes too far
  EXPECT_EQ(body.feed("f").error.status, 413);  // and it stays so
}

TEST(BodyDecoder, TrailersAreFilteredAndKept) {
  BodyDecoder body;
  body.start(kChunked, {});
  const std::string_view bytes =
      "1\r\na\r\n0\r\nX-Checksum: 7 \r\nContent-Length: 9\r\nContent-MD5: z\r\nAuthorization: x\r\nHost: "
      "y\r\n"
      "Transfer-Encoding: chunked\r\nSaga-Id: 1\r\nX_Real_IP: 6\r\ngrpc-status: 0\r\n\r\nrest";
  const Decoded decoded = decode(body, bytes, 1);
  EXPECT_TRUE(decoded.done);
  EXPECT_EQ(bytes.substr(decoded.consumed), "rest");
  EXPECT_EQ(body.trailers(), (Fields{{"X-Checksum", "7"}, {"grpc-status", "0"}}));
  body.start(kChunked, {});
  EXPECT_EQ(body.trailers().size(), 0U);
}

TEST(BodyDecoder, TrailerLimitsAreExact) {
  BodyDecoder body;
  body.start(kChunked, {.trailers = 6});
  EXPECT_TRUE(decode(body, "0\r\nX: y\r\n\r\n", 1).done);
  for (const std::size_t step : {1UL, 100UL}) {
    body.start(kChunked, {.trailers = 5});
    EXPECT_EQ(decode(body, "0\r\nX: y\r\n\r\n", step).error, 431);
  }
  body.start(kChunked, {.trailer_fields = 2});
  EXPECT_TRUE(decode(body, "0\r\nX: y\r\nX: y\r\n\r\n", 100).done);
  body.start(kChunked, {.trailer_fields = 1});
  EXPECT_EQ(decode(body, "0\r\nX: y\r\nX: y\r\n\r\n", 100).error, 431);
}

TEST(BodyDecoder, ExtensionLimitIsPerChunkAndInAll) {
  BodyDecoder body;
  const BodyLimits limits{.extension = 3, .extensions_total = 5};
  body.start(kChunked, limits);
  EXPECT_TRUE(decode(body, "1;abc\r\nx\r\n0;ab\r\n\r\n", 1).done);
  body.start(kChunked, limits);
  EXPECT_EQ(decode(body, "1;abcd\r\nx\r\n", 1).error, 400);
  body.start(kChunked, limits);
  EXPECT_EQ(decode(body, "1;abc\r\nx\r\n0;abc\r\n\r\n", 1).error, 400);
}

// What the encoder writes comes back, whatever the sizes and however it is cut.
TEST(BodyDecoder, RoundTripsRandomChunks) {
  const std::uint64_t seed = 20240611;
  SCOPED_TRACE(seed);
  Random random{seed};
  for (int round = 0; round < 200; ++round) {
    std::string payload;
    std::string wire;
    const std::uint64_t chunks = random.below(6);
    for (std::uint64_t i = 0; i < chunks; ++i) {
      const std::string data(random.below(round % 10 == 0 ? 200'000 : 40), static_cast<char>('a' + i));
      payload += data;
      append_chunk(wire, data);
    }
    const Fields trailers{{"X-End", "yes"}, {"Content-Length", "5"}};
    round % 2 == 0 ? append_last_chunk(wire, trailers) : static_cast<void>(wire.append(kLastChunk));
    BodyDecoder body;
    body.start(kChunked, {});
    const Decoded decoded = decode(body, wire + "tail", 1 + random.below(70'000));
    ASSERT_TRUE(decoded.done);
    ASSERT_EQ(decoded.data, payload);
    ASSERT_EQ(decoded.consumed, wire.size());
    ASSERT_EQ(body.trailers().size(), round % 2 == 0 ? 1U : 0U);
  }
}

TEST(AppendChunk, EmptyDataWritesNothing) {
  std::string out;
  append_chunk(out, "");
  EXPECT_EQ(out, "");
  append_chunk(out, std::string(16, 'x'));
  EXPECT_EQ(out, "10\r\nxxxxxxxxxxxxxxxx\r\n");
  out.clear();
  append_chunk_size(out, ~std::uint64_t{0});
  EXPECT_EQ(out, "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace flotilla::http
