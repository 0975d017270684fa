#include "flotilla/events/event_stream.hpp"

#include <string>

#include <gtest/gtest.h>

#include "flotilla/events/topic_rig.hpp"
#include "flotilla/http/api_server.hpp"

namespace flotilla::events {
namespace {

using test::Rig;
using namespace std::chrono_literals;

TEST(EventStream, CutsDataAtLineEnds) {
  std::string out;
  append_server_sent(out, "0-7", "{\n\"a\":\r\n1\r}");
  EXPECT_EQ(out, "id: 0-7\ndata: {\ndata: \"a\":\ndata: 1\ndata: }\n\n");
}

// What comes over the wire until it contains `until`.
net::Task<std::string> listen(net::Loop& loop, net::SocketAddress at, std::string head, std::string until) {
  auto channel = co_await net::connect(loop, at, loop.now() + test::kPatience);
  channel->set_deadline(loop.now() + test::kPatience);
  channel->send(head);
  std::string all;
  while (!all.contains(until)) {
    const auto bytes = co_await channel->recv();
    if (!bytes || bytes->empty()) {
      break;
    }
    all.append(*bytes);
  }
  co_return all;
}

TEST(EventStream, SendsWhatThereIsAndWhatComesAndResumes) {
  Rig rig;
  const auto handler = [&](http::Request request, net::SocketAddress peer) {
    return rig.api.handle(std::move(request), peer);
  };
  const auto streams = [&](const http::Request& request, http::Exchange& exchange) {
    return rig.api.stream(request, exchange);
  };
  http::ApiServer server(*rig.loop, {}, handler, streams);
  const auto at = server.listen(*net::SocketAddress::parse("127.0.0.1:0"));
  ASSERT_TRUE(at);
  rig.run([&]() -> net::Task<> {
    (void)co_await rig.post("orders", R"({"n":1})", {{"ce-id", "a"}});
    const std::string head =
        "GET /v1/topics/orders?from=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n";
    std::string first;
    net::Scope clients;
    clients.spawn(
        [](net::Loop& loop, net::SocketAddress to, std::string ask, std::string& got) -> net::Task<> {
          got = co_await listen(loop, to, std::move(ask), "\"id\":\"b\"");
        }(*rig.loop, *at, head + "\r\n", first));
    while (rig.metrics.of("orders").read.read() == 0) {
      co_await net::sleep_for(*rig.loop, 1ms);
    }
    EXPECT_EQ(rig.metrics.waiting.read(), 1U);
    (void)co_await rig.post("orders", R"({"n":2})", {{"ce-id", "b"}});
    co_await clients.join();
    EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")) << first;
    EXPECT_TRUE(first.contains("Transfer-Encoding: chunked\r\n"));
    EXPECT_TRUE(first.contains("id: 0-1\ndata: {\"specversion\":\"1.0\",\"id\":\"a\"")) << first;
    EXPECT_TRUE(first.contains("id: 0-2\ndata: ")) << first;
    while (rig.metrics.waiting.read() != 0) {
      co_await net::sleep_for(*rig.loop, 1ms);  // the server notices that the client has left
    }
    const std::string rest =
        co_await listen(*rig.loop, *at, head + "Last-Event-ID: 0-1\r\n\r\n", "\"id\":\"b\"");
    EXPECT_FALSE(rest.contains("id: 0-1\n")) << rest;
    EXPECT_TRUE(rest.contains("id: 0-2\n")) << rest;
    const std::string wrong = co_await listen(*rig.loop, *at, head + "Last-Event-ID: 0-99\r\n\r\n", "behind");
    EXPECT_TRUE(wrong.starts_with("HTTP/1.1 503 ")) << wrong;
    const std::string nowhere = co_await listen(
        *rig.loop, *at, "GET /v1/topics/nowhere HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
        "not-found");
    EXPECT_TRUE(nowhere.starts_with("HTTP/1.1 404 ")) << nowhere;
  });
}

}  // namespace
}  // namespace flotilla::events
