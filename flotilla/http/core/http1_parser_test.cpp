#include "flotilla/http/core/http1_parser.hpp"

#include <cstring>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flotilla/http/core/field_lines.hpp"
#include "flotilla/http/core/head.hpp"

namespace flotilla::http {
namespace {

using State = ParseOutcome::State;

std::string request(std::string_view fields, std::string_view line = "GET / HTTP/1.1") {
  return std::string{line} + "\r\n" + std::string{fields} + "\r\n";
}

TEST(RequestHead, ReadsWhatItPromises) {
  const std::string bytes =
      "POST /a/b?x=1&y HTTP/1.1\r\nHost: Shop.Example.:8080\r\nX-A:  one \r\nx-a: two\r\nExpect: "
      "100-continue\r\n"
      "Content-Length: 3\r\n\r\nabc";
  RequestHead head;
  const ParseOutcome outcome = parse_request_head(bytes, {}, head);
  ASSERT_EQ(outcome.state, State::done);
  EXPECT_EQ(outcome.consumed, bytes.size() - 3);
  EXPECT_EQ(head.method, Method::post);
  EXPECT_EQ(head.method_name, "POST");
  EXPECT_EQ(head.target, "/a/b?x=1&y");
  EXPECT_EQ(head.path, "/a/b");
  EXPECT_EQ(head.query, "x=1&y");
  EXPECT_EQ(head.host, "shop.example");
  EXPECT_EQ(head.port, 8080);
  EXPECT_EQ(head.framing, (Framing{Framing::Kind::length, 3}));
  EXPECT_TRUE(head.expect_continue);
  EXPECT_TRUE(head.keep_alive);
  ASSERT_EQ(head.fields.size(), 5U);
  EXPECT_EQ(head.fields[1].name, "X-A");
  EXPECT_EQ(head.fields[1].value, "one");
  EXPECT_EQ(head.fields[1].line, "X-A:  one \r\n");
  EXPECT_EQ(head.get("X-a"), "one");
  EXPECT_EQ(head.get(FieldId::expect), "100-continue");
  EXPECT_EQ(head.find(FieldId::cookie), nullptr);
  EXPECT_EQ(head.find("nothing"), nullptr);
  const Fields copy = head.copy_fields();
  EXPECT_EQ(copy.size(), 4U);  // without Content-Length
}

struct TargetCase {
  const char* line;
  const char* path;
  const char* query;
  bool has_query;
  const char* host;
  int port;
};

TEST(RequestHead, Targets) {
  const TargetCase cases[] = {
      {"GET /a HTTP/1.1", "/a", "", false, "a.example", -1},
      {"GET /a? HTTP/1.1", "/a", "", true, "a.example", -1},
      {"GET /a?b?c HTTP/1.1", "/a", "b?c", true, "a.example", -1},
      {"GET //b/c HTTP/1.1", "//b/c", "", false, "a.example", -1},
      {"OPTIONS * HTTP/1.1", "*", "", false, "a.example", -1},
      {"GET http://B.example:81/x?y HTTP/1.1", "/x", "y", true, "b.example", 81},
      {"GET http://b.example HTTP/1.1", "/", "", false, "b.example", -1},
      {"GET http://b.example?y HTTP/1.1", "/", "y", true, "b.example", -1},
      {"OPTIONS http://b.example HTTP/1.1", "*", "", false, "b.example", -1},
      {"OPTIONS http://b.example/ HTTP/1.1", "/", "", false, "b.example", -1},
  };
  for (const TargetCase& c : cases) {
    const std::string bytes = request("Host: a.example\r\n", c.line);
    RequestHead head;
    ASSERT_TRUE(parse_request_head(bytes, {}, head).done()) << c.line;
    EXPECT_EQ(head.path, c.path) << c.line;
    EXPECT_EQ(head.query, c.query) << c.line;
    EXPECT_EQ(head.has_query, c.has_query) << c.line;
    EXPECT_EQ(head.host, c.host) << c.line;
    EXPECT_EQ(head.port.has_value() ? int{*head.port} : -1, c.port) << c.line;
  }
}

TEST(RequestHead, KeepAliveByVersionAndConnection) {
  const auto keeps = [](std::string_view version, std::string_view connection) {
    const std::string bytes =
        request("Host: a\r\n" + std::string{connection}, "GET / " + std::string{version});
    RequestHead head;
    EXPECT_TRUE(parse_request_head(bytes, {}, head).done());
    return head.keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x, Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestHead, NominatesOnlyUnknownFields) {
  const std::string bytes = request(
      "Host: a\r\nConnection: X-Hop, Authorization, X-Forwarded-For, Saga-Id, Cache-Control\r\n"
      "x-hop: 1\r\nAuthorization: b\r\nX-Forwarded-For: c\r\nSaga-Id: d\r\nCache-Control: e\r\nX-Hop: 2\r\n");
  RequestHead head;
  ASSERT_TRUE(parse_request_head(bytes, {}, head).done());
  std::string nominated;
  for (const FieldView& field : head.fields) {
    nominated += field.nominated ? std::string{field.value} : "";
  }
  EXPECT_EQ(nominated, "12");
}

TEST(RequestHead, WebsocketNeedsTheWholeHandshake) {
  const std::string good =
      "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const auto handshake = [](const std::string& fields, std::string_view line) {
    const std::string bytes = request(fields, line);
    RequestHead head;
    EXPECT_TRUE(parse_request_head(bytes, {}, head).done());
    return head.websocket;
  };
  EXPECT_TRUE(handshake(good, "GET /ws HTTP/1.1"));
  EXPECT_FALSE(handshake(good, "POST /ws HTTP/1.1"));
  EXPECT_FALSE(handshake(good, "GET /ws HTTP/1.0"));
  EXPECT_FALSE(handshake(good + "Content-Length: 1\r\n", "GET /ws HTTP/1.1"));
  for (const char* part : {"Upgrade\r\n", "WebSocket", "13", "Sec-WebSocket-Key"}) {
    std::string bad = good;
    bad.replace(bad.find(part), 1, "x");
    EXPECT_FALSE(handshake(bad, "GET /ws HTTP/1.1")) << part;
  }
}

TEST(RequestHead, ReuseForgetsTheLastMessage) {
  const std::string first =
      request("Host: A.example:1\r\nContent-Length: 5\r\nX: y\r\n", "POST http://b/?q HTTP/1.1");
  const std::string second = request("", "GET /2 HTTP/1.0");
  RequestHead head;
  ASSERT_TRUE(parse_request_head(first, {}, head).done());
  ASSERT_TRUE(parse_request_head(second, {}, head).done());
  EXPECT_EQ(head.host, "");
  EXPECT_FALSE(head.port.has_value());
  EXPECT_FALSE(head.absolute_form);
  EXPECT_FALSE(head.has_query);
  EXPECT_EQ(head.framing, Framing{});
  EXPECT_TRUE(head.fields.empty());
  EXPECT_FALSE(head.has(FieldId::content_length));
  // Also after a refused one, and after a partial one that was dropped.
  EXPECT_TRUE(parse_request_head("GET /\n", {}, head).failed());
  ASSERT_TRUE(parse_request_head(second, {}, head).done());
  EXPECT_EQ(parse_request_head(first.substr(0, 30), {}, head).state, State::need_more);
  head.clear();
  ASSERT_TRUE(parse_request_head(second, {}, head).done());
  EXPECT_EQ(head.path, "/2");
}

TEST(RequestHead, ReuseAllocatesNothing) {
  const std::string bytes =
      request("Host: A.example.with.a.long.name.that.needs.storage\r\nX: y\r\nZ: w\r\n");
  RequestHead head;
  ASSERT_TRUE(parse_request_head(bytes, {}, head).done());
  const void* const tables[] = {head.fields.data(), head.scan.classes.data(), head.scan.line_ends.data(),
                                head.host_storage.data()};
  ASSERT_TRUE(parse_request_head(bytes, {}, head).done());
  EXPECT_EQ(head.fields.data(), tables[0]);
  EXPECT_EQ(head.scan.classes.data(), tables[1]);
  EXPECT_EQ(head.scan.line_ends.data(), tables[2]);
  EXPECT_EQ(head.host_storage.data(), tables[3]);
}

TEST(RequestHead, LimitsAreTheCallers) {
  RequestHead head;
  const std::string bytes = request("Host: a\r\nX: y\r\n");
  EXPECT_TRUE(parse_request_head(bytes, {.fields = 2}, head).done());
  EXPECT_EQ(parse_request_head(bytes, {.fields = 1}, head).error.status, 431);
  const auto size = static_cast<std::uint32_t>(bytes.size());
  EXPECT_TRUE(parse_request_head(bytes, {.total = size}, head).done());
  EXPECT_EQ(parse_request_head(bytes, {.total = size - 1}, head).error.status, 431);
  EXPECT_TRUE(parse_request_head(bytes, {.first_line = 14}, head).done());
  EXPECT_EQ(parse_request_head(bytes, {.first_line = 13}, head).error.status, 414);
}

TEST(FieldLines, ListElements) {
  std::string seen;
  std::string_view list = " a ,, b\t,c d,";
  while (const auto element = next_element(list)) {
    seen += "<" + std::string{*element} + ">";
  }
  EXPECT_EQ(seen, "<a><><b><c d><>");
}

TEST(MethodNames, RoundTripAndCaseMatters) {
  for (int i = 1; i <= static_cast<int>(Method::trace); ++i) {
    const auto method = static_cast<Method>(i);
    EXPECT_EQ(method_from(to_string(method)), method);
  }
  for (const char* name : {"", "get", "GETS", "PURGE", "PROPFIND"}) {
    EXPECT_EQ(method_from(name), Method::other) << name;
  }
  EXPECT_TRUE(is_idempotent(Method::put));
  EXPECT_FALSE(is_idempotent(Method::post));
  EXPECT_FALSE(is_safe(Method::delete_));
}

// Memory whose end is followed by a page that cannot be read.
class GuardedPage {
 public:
  GuardedPage() {
    memory_ = static_cast<char*>(
        mmap(nullptr, 2 * size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(mprotect(memory_ + size_, size_, PROT_NONE), 0);
  }
  ~GuardedPage() { munmap(memory_, 2 * size_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  std::string_view place(std::string_view text) {
    char* to = memory_ + size_ - text.size();
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

 private:
  std::size_t size_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  char* memory_ = nullptr;
};

TEST(Http1Parser, NeverReadsBehindItsInput) {
  GuardedPage page;
  RequestHead head;
  ResponseHead response;
  std::string fields = "Host: a.example\r\n";
  for (int i = 0; i < 70; ++i) {  // every length modulo 64
    fields += "a";
    const std::string bytes =
        request(fields + ": b\r\n", "GET /" + std::string(static_cast<std::size_t>(i), 'x') + " HTTP/1.1");
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      head.clear();
      ASSERT_EQ(parse_request_head(page.place(bytes.substr(0, length)), {}, head).state, State::need_more);
    }
    head.clear();
    ASSERT_TRUE(parse_request_head(page.place(bytes), {}, head).done());
    const std::string answer = "HTTP/1.1 200 OK\r\n" + fields + ": b\r\n\r\n";
    response.clear();
    ASSERT_TRUE(parse_response_head(page.place(answer), {}, Method::get, response).done());
  }
}

TEST(ResponseHead, KeepAliveAndUpgrade) {
  const auto parse = [](const std::string& bytes, ResponseHead& head) {
    EXPECT_TRUE(parse_response_head(bytes, {}, Method::get, head).done()) << bytes;
  };
  ResponseHead head;
  const std::string sized = "HTTP/1.1 404 Not Here\r\nContent-Length: 0\r\n\r\n";
  parse(sized, head);
  EXPECT_EQ(head.status, 404);
  EXPECT_EQ(head.reason, "Not Here");
  EXPECT_TRUE(head.keep_alive);
  const std::string unsized_body = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n";
  parse(unsized_body, head);
  EXPECT_FALSE(head.keep_alive);  // a body until close
  const std::string old = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
  parse(old, head);
  EXPECT_FALSE(head.keep_alive);
  const std::string switched = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  parse(switched, head);
  EXPECT_TRUE(head.websocket);
  const std::string other = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
  parse(other, head);
  EXPECT_FALSE(head.websocket);
}

}  // namespace
}  // namespace flotilla::http
