#include "flotilla/http/core/forward.hpp"

#include <gtest/gtest.h>

#include "flotilla/http/core/http1_parser.hpp"

namespace flotilla::http {
namespace {

std::string forward(const std::string& fields, const ForwardOptions& options,
                    std::string_view line = "GET /x HTTP/1.1") {
  const std::string bytes = std::string{line} + "\r\n" + fields + "\r\n";
  RequestHead head;
  EXPECT_TRUE(parse_request_head(bytes, {}, head).done()) << bytes;
  std::string out;
  append_request_head(out, head.method_name, head.path, head, options);
  RequestHead again;
  EXPECT_TRUE(parse_request_head(out, {}, again).done()) << out;
  return out;
}

std::string answer(const std::string& bytes, const ResponseForwardOptions& options) {
  ResponseHead head;
  EXPECT_TRUE(parse_response_head(bytes, {}, options.request_method, head).done()) << bytes;
  std::string out;
  append_response_head(out, head, options);
  return out;
}

// No Via, no X-Forwarded-*: only what the case is about.
ForwardOptions plain() {
  ForwardOptions options;
  options.via = {};
  return options;
}
ResponseForwardOptions plain_answer() {
  ResponseForwardOptions options;
  options.via = {};
  return options;
}

TEST(ForwardRequest, CopiesEndToEndFieldsAsTheyAre) {
  EXPECT_EQ(
      forward("hOST: A.example\r\nX-A:  1\t\r\nCookie: a=b\r\nCookie: c=d\r\nX_Own: 2\r\n", plain()),
      "GET /x HTTP/1.1\r\nhOST: A.example\r\nX-A:  1\t\r\nCookie: a=b\r\nCookie: c=d\r\nX_Own: 2\r\n\r\n");
}

TEST(ForwardRequest, DropsWhatBelongsToTheConnection) {
  EXPECT_EQ(
      forward("Host: a\r\nConnection: keep-alive, X-Hop, Host, Authorization\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
              "Proxy-Connection: x\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nProxy: evil\r\n"
              "Trailer: x\r\nUpgrade: h2c\r\nTE: gzip\r\nExpect: 100-continue\r\nAuthorization: b\r\n",
              plain()),
      "GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\n\r\n");
}

TEST(ForwardRequest, TrailersAreAcceptedAgain) {
  EXPECT_EQ(forward("Host: a\r\nTE: gzip, Trailers\r\n", plain()),
            "GET /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
  ForwardOptions options = plain();
  options.close = true;
  options.trailers = true;
  EXPECT_EQ(forward("Host: a\r\nTE: trailers\r\nTrailer: X\r\n", options),
            "GET /x HTTP/1.1\r\nHost: a\r\nTrailer: X\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n");
}

TEST(ForwardRequest, StripsOurNamesFromOutside) {
  const std::string fields =
      "Host: a\r\nSaga-Id: 1\r\nEvent-Id: 1\r\nFlotilla-Error: 1\r\nFlotilla-X: 1\r\nX-Consumer-ID: 1\r\n"
      "X-Anonymous-Consumer: 1\r\nX-Credential-Identifier: 1\r\nX_Consumer_Id: 1\r\n";
  EXPECT_EQ(forward(fields, plain()), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  ForwardOptions inside = plain();
  inside.from_outside = false;
  EXPECT_EQ(
      forward(fields, inside),
      "GET /x HTTP/1.1\r\nHost: a\r\nSaga-Id: 1\r\nEvent-Id: 1\r\nFlotilla-Error: 1\r\nFlotilla-X: 1\r\n"
      "X-Consumer-ID: 1\r\nX-Anonymous-Consumer: 1\r\nX-Credential-Identifier: 1\r\n\r\n");
}

constexpr const char* kForwarded =
    "Host: A.example:81\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: "
    "https\r\n"
    "X-Forwarded-Host: h\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Odd: o\r\nX-Real-IP: 7.7.7.7\r\nForwarded: "
    "for=6\r\n"
    "X_Forwarded_For: 5\r\n";

TEST(ForwardRequest, UntrustedForwardedFieldsAreReplaced) {
  ForwardOptions options = plain();
  options.peer_address = "1.2.3.4";
  options.port = 8000;
  options.forwarded_prefix = "/api";
  EXPECT_EQ(forward(kForwarded, options),
            "GET /x HTTP/1.1\r\nHost: A.example:81\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a.example\r\nX-Forwarded-Port: 8000\r\n"
            "X-Forwarded-Prefix: /api\r\n\r\n");
}

TEST(ForwardRequest, TrustedForwardedFieldsAreBelieved) {
  ForwardOptions options = plain();
  options.peer_address = "10.0.0.1";
  options.client_address = "9.9.9.9";
  options.trusted_peer = true;
  options.forwarded_path = "/orig";
  EXPECT_EQ(
      forward(kForwarded, options),
      "GET /x HTTP/1.1\r\nHost: A.example:81\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n"
      "X-Forwarded-Port: 1\r\nX-Forwarded-Odd: o\r\nForwarded: for=6\r\n"
      "X-Forwarded-For: 9.9.9.9, 8.8.8.8, 10.0.0.1\r\nX-Real-IP: 9.9.9.9\r\nX-Forwarded-Path: /orig\r\n\r\n");
}

TEST(ForwardRequest, HostIsKeptSetOrTakenFromTheTarget) {
  ForwardOptions options = plain();
  options.host = "svc:9000";
  EXPECT_EQ(forward("Host: a\r\nX: y\r\n", options), "GET /x HTTP/1.1\r\nHost: svc:9000\r\nX: y\r\n\r\n");
  EXPECT_EQ(forward("Host: a\r\nX: y\r\n", plain(), "GET http://B.example:81/x HTTP/1.1"),
            "GET /x HTTP/1.1\r\nHost: b.example:81\r\nX: y\r\n\r\n");
}

TEST(ForwardRequest, Framing) {
  ForwardOptions options = plain();
  EXPECT_EQ(forward("Host: a\r\nContent-Length: 5\r\nX: y\r\n", options),
            "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y\r\n\r\n");
  EXPECT_EQ(forward("Host: a\r\nTransfer-Encoding: CHUNKED\r\nX: y\r\n", options),
            "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n");
  options.framing = {FramingOut::Kind::length, 18446744073709551615U};
  EXPECT_EQ(forward("Host: a\r\n", plain()).find("Content-Length"), std::string::npos);
  options.framing = {FramingOut::Kind::length, 7};
  EXPECT_EQ(forward("Host: a\r\nContent-Length: 5\r\nX: y\r\n", options),
            "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 7\r\n\r\n");
  options.framing = {FramingOut::Kind::chunked, 0};
  EXPECT_EQ(forward("Host: a\r\nContent-Length: 5\r\n", options),
            "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  options.framing = {FramingOut::Kind::none, 0};
  EXPECT_EQ(forward("Host: a\r\nContent-Length: 5\r\n", options), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(ForwardRequest, TraceExtraViaAndDrop) {
  ForwardOptions options;
  const HeaderLine extra[] = {{"X-Consumer-ID", "7"}, {"Saga-Id", "s"}};
  options.extra = extra;
  options.traceparent = "00-a-b-01";
  options.drop = field_bit(FieldId::authorization);
  EXPECT_EQ(forward("Host: a\r\nTraceparent: old\r\nTracestate: old\r\nAuthorization: x\r\nVia: 1.0 z\r\n",
                    options),
            "GET /x HTTP/1.1\r\nHost: a\r\nVia: 1.0 z\r\ntraceparent: 00-a-b-01\r\nVia: 1.1 flotilla\r\n"
            "X-Consumer-ID: 7\r\nSaga-Id: s\r\n\r\n");
}

TEST(ForwardRequest, WebsocketKeepsItsUpgrade) {
  EXPECT_EQ(forward("Host: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: k\r\n",
                    plain()),
            "GET /x HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\n"
            "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ForwardRequest, MaxForwardsCountsDownForOptions) {
  EXPECT_EQ(forward("Host: a\r\nMax-Forwards: 3\r\n", plain(), "OPTIONS /x HTTP/1.1"),
            "OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 2\r\n\r\n");
  EXPECT_EQ(forward("Host: a\r\nMax-Forwards: 3\r\n", plain()),
            "GET /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n");
}

TEST(ForwardRequest, AppendsBehindWhatIsThere) {
  const std::string bytes = "GET / HTTP/1.0\r\n\r\n";  // no fields at all
  RequestHead head;
  ASSERT_TRUE(parse_request_head(bytes, {}, head).done());
  std::string out = "before";
  append_request_head(out, "GET", "/", head, plain());
  EXPECT_EQ(out, "beforeGET / HTTP/1.1\r\n\r\n");
}

TEST(ForwardResponse, KeepsAndDrops) {
  EXPECT_EQ(
      answer("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
             "Connection: close, X-Hop\r\nX-Hop: 1\r\nFlotilla-Error: x\r\nProxy-Authenticate: y\r\n\r\n",
             plain_answer()),
      "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n");
}

TEST(ForwardResponse, FramingFitsTheClient) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string until_close = "HTTP/1.1 200 OK\r\n\r\n";
  ResponseForwardOptions options = plain_answer();
  EXPECT_EQ(answer(chunked, options), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(answer(until_close, options), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  options.client_version = Version::http_1_0;
  options.keep_alive = false;
  EXPECT_EQ(answer(chunked, options), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(answer(until_close, options), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  options.keep_alive = true;
  options.framing = {FramingOut::Kind::length, 9};
  EXPECT_EQ(answer(chunked, options),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\n");
}

TEST(ForwardResponse, BodilessResponses) {
  ResponseForwardOptions options = plain_answer();
  EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", options),
            "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", options),
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 304 Not Modified\r\n\r\n", options), "HTTP/1.1 304 Not Modified\r\n\r\n");
  options.request_method = Method::head;
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", options),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", options),
            "HTTP/1.1 200 OK\r\n\r\n");
}

TEST(ForwardResponse, AddsDateServerAndViaOnce) {
  ResponseForwardOptions options;
  options.date = "D";
  options.server = "flotilla";
  EXPECT_EQ(
      answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", options),
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: D\r\nServer: flotilla\r\nVia: 1.1 flotilla\r\n\r\n");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nDate: E\r\nserver: s\r\nContent-Length: 0\r\n\r\n", options),
            "HTTP/1.1 200 OK\r\nDate: E\r\nserver: s\r\nContent-Length: 0\r\nVia: 1.1 flotilla\r\n\r\n");
}

TEST(ForwardResponse, SwitchingToWebsocket) {
  EXPECT_EQ(answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: k\r\n\r\n",
                   plain_answer()),
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: k\r\nConnection: upgrade\r\n"
            "Upgrade: websocket\r\n\r\n");
}

}  // namespace
}  // namespace flotilla::http
