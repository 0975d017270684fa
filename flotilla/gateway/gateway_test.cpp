// The gateway as a client and a service see it, byte by byte.
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "flotilla/gateway/gateway_fixture.hpp"
#include "flotilla/telemetry/core/trace.hpp"

namespace flotilla::gateway {
namespace {

using namespace std::chrono_literals;
using Call = ScriptedService::Call;

// Bytes that show when a piece is lost or doubled.
std::string pattern(std::size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  for (std::size_t i = 0; bytes.size() < size; ++i) {
    bytes += fmt::format("{:x}.", i);
  }
  bytes.resize(size);
  return bytes;
}
std::string in_chunks(std::string_view body, std::size_t step) {
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += step) {
    const auto piece = body.substr(at, step);
    out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  return out + "0\r\n\r\n";
}
std::string from_chunks(std::string_view text) {
  std::string body;
  for (;;) {
    const std::size_t line = text.find("\r\n");
    const auto size =
        line == std::string_view::npos ? 0 : std::stoul(std::string(text.substr(0, line)), nullptr, 16);
    if (size == 0) {
      return body;
    }
    body.append(text.substr(line + 2, size));
    text.remove_prefix(std::min(text.size(), line + 2 + size + 2));
  }
}

constexpr std::size_t kLarge = std::size_t{3} << 20U;  // larger than every buffer on the way

TEST(Gateway, ForwardsSizedBodiesLargerThanEveryBuffer) {
  Rig rig({.script = [](Call& call) -> net::Task<bool> {
    EXPECT_NE(call.head.find("Content-Length: " + std::to_string(kLarge)), std::string::npos);
    EXPECT_TRUE(co_await call.read(kLarge));
    call.channel.send(answer(200, call.rest));
    co_return true;
  }});
  rig.run([](Rig& r) -> net::Task<> {
    const std::string body = pattern(kLarge);
    const Got got = co_await r.ask(post("/large", body));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_TRUE(got.body() == body) << got.body().size();
  });
}

TEST(Gateway, ForwardsChunkedBodiesLargerThanEveryBuffer) {
  Rig rig({.script = [](Call& call) -> net::Task<bool> {
    EXPECT_NE(call.head.find("Transfer-Encoding: chunked"), std::string::npos);
    while (!call.rest.ends_with("\r\n0\r\n\r\n") && co_await call.read(call.rest.size() + 1)) {
    }
    call.channel.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                      in_chunks(from_chunks(call.rest), 70'001));
    co_return true;
  }});
  rig.run([](Rig& r) -> net::Task<> {
    const std::string body = pattern(kLarge);
    const Got got = co_await r.ask(
        "POST /large HTTP/1.1\r\nHost: front\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
        in_chunks(body, 50'021));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_TRUE(from_chunks(got.body()) == body);
    EXPECT_TRUE(got.bytes.ends_with("\r\n0\r\n\r\n"));
  });
}

TEST(Gateway, AnswersResetWhenTheServiceDiesBeforeItsHead) {
  Rig rig({.service = without_retries(), .script = [](Call&) -> net::Task<bool> { co_return false; }});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 502");
    EXPECT_TRUE(got.has(R"("reason":"reset")")) << got.bytes;
    EXPECT_TRUE(got.has(R"("effect":"unknown")")) << got.bytes;
  });
}

TEST(Gateway, AbortsAnAnswerThatBreaksOff) {
  for (const char* head : {"Content-Length: 100000\r\n", "Transfer-Encoding: chunked\r\n"}) {
    Rig rig({.script = [head](Call& call) -> net::Task<bool> {
      call.channel.send(fmt::format("HTTP/1.1 200 OK\r\n{}\r\n5\r\nhello\r\n", head));
      co_return false;
    }});
    rig.run([head](Rig& r) -> net::Task<> {
      const Got got = co_await r.ask(get("/"));
      EXPECT_FALSE(got.bytes.ends_with("0\r\n\r\n")) << head;
      EXPECT_TRUE(got.reset) << head << got.bytes;
    });
  }
}

TEST(Gateway, RefusesAMalformedAnswer) {
  Rig rig({.script = always("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/"));
    EXPECT_EQ(got.status(), "HTTP/1.1 502");
    EXPECT_TRUE(got.has(R"("reason":"bad-answer")")) << got.bytes;
    EXPECT_EQ(r.service().heads().size(), 1U) << "what answered wrongly may have acted";
  });
}

TEST(Gateway, StripsWhatAClientMayNotSay) {
  Rig rig({.script = always(answer(200, "x"))});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got =
        co_await r.ask(get("/",
                           "Saga-Id: 1\r\nEvent-Id: 2\r\nFlotilla-Anything: 3\r\nX-Request-Timeout-Ms: 1\r\n"
                           "X-Forwarded-For: 9.9.9.9\r\nConnection: x-hop\r\nX-Hop: 4\r\nX-Mine: 5\r\n"));
    EXPECT_EQ(got.status(), "HTTP/1.1 200");
    EXPECT_EQ(r.service().heads().size(), 1U);
    const std::string head = to_lower(r.service().heads().front());
    for (const char* gone :
         {"saga-id", "event-id", "flotilla-anything", "timeout-ms: 1\r", "9.9.9.9", "x-hop"}) {
      EXPECT_EQ(head.find(gone), std::string::npos) << gone << "\n" << head;
    }
    EXPECT_NE(head.find("x-mine: 5\r\n"), std::string::npos) << head;
    EXPECT_NE(head.find("x-forwarded-for: 127.0.0.1\r\n"), std::string::npos) << head;
  });
}

constexpr std::string_view kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

// The value of `name` in a head; "" if it is not there exactly once.
std::string value_of(const std::string& head, const std::string& name) {
  const std::string line = "\r\n" + name + ": ";
  const std::size_t at = to_lower(head).find(line);
  if (at == std::string::npos || to_lower(head).find(line, at + 1) != std::string::npos) {
    return {};
  }
  const std::size_t begin = at + line.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

TEST(Gateway, ContinuesTheTraceOfATrustedPeer) {
  Rig rig({.script = always(answer(200, "x")), .trusted = {"127.0.0.0/8"}});
  rig.run([](Rig& r) -> net::Task<> {
    const Got got = co_await r.ask(get("/", fmt::format("traceparent: {}\r\ntracestate: a=1\r\n", kTrace)));
    EXPECT_FALSE(got.has("traceparent")) << got.bytes;
    const std::string& head = r.service().heads().at(0);
    const std::string sent = value_of(head, "traceparent");
    EXPECT_EQ(sent.substr(0, 36), kTrace.substr(0, 36)) << head;  // version and trace
    EXPECT_NE(sent.substr(36, 16), kTrace.substr(36, 16)) << "the parent is the gateway's span";
    EXPECT_EQ(sent.substr(52), "-01");
    EXPECT_EQ(value_of(head, "tracestate"), "a=1");
    (void)co_await r.ask(get("/", "traceparent: 00-broken\r\ntracestate: a=1\r\n"));
    const std::string& begun = r.service().heads().at(1);
    EXPECT_TRUE(telemetry::parse_traceparent(value_of(begun, "traceparent")).has_value()) << begun;
    EXPECT_EQ(begun.find("tracestate"), std::string::npos) << begun;
  });
}

TEST(Gateway, BeginsATraceForAnybodyElse) {
  Rig rig({.script = always(answer(200, "x"))});
  rig.run([](Rig& r) -> net::Task<> {
    for (int i = 0; i < 2; ++i) {
      (void)co_await r.ask(get("/", fmt::format("traceparent: {}\r\ntracestate: a=1\r\n", kTrace)));
    }
    std::vector<telemetry::TraceContext> seen;
    for (const std::string& head : r.service().heads()) {
      const auto trace = telemetry::parse_traceparent(value_of(head, "traceparent"));
      EXPECT_TRUE(trace && !trace->sampled) << head;
      EXPECT_EQ(head.find("4bf92f35"), std::string::npos) << head;
      EXPECT_EQ(head.find("tracestate"), std::string::npos) << head;
      seen.push_back(trace.value_or(telemetry::TraceContext{}));
    }
    EXPECT_EQ(seen.size(), 2U);
    EXPECT_NE(seen.at(0).trace_id, seen.at(1).trace_id);
  });
}

TEST(Gateway, LogsEachRequestOnce) {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("flotilla_access_{}.log", ::getpid());
  std::filesystem::remove(path);
  auto log = telemetry::AccessLog::open(path.string(), 1);
  ASSERT_TRUE(log.has_value());
  {
    call::ServiceConfig config = without_retries();
    Rig rig({.service = config,
             .script = [](Call& call) -> net::Task<bool> {
               if (call.number == 1) {
                 call.channel.send(answer(201, "made"));
               }
               co_return call.number == 1;
             },
             .trusted = {"127.0.0.0/8"},
             .access_log = log->get()});
    rig.run([](Rig& r) -> net::Task<> {
      (void)co_await r.ask(
          get("/a?token=secret", fmt::format("X-Forwarded-For: 9.9.9.9, 8.8.8.8, 127.0.0.2\r\n"
                                             "traceparent: {}\r\n",
                                             kTrace)));
      (void)co_await r.ask(get("/b"));
    });
  }
  log->reset();  // writes what is buffered
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  std::filesystem::remove(path);
  ASSERT_EQ(lines.size(), 2U);
  for (const char* part : {R"("path":"/a")", R"("status":201)", R"("service":"backend")", R"("attempts":1)",
                           R"("8.8.8.8")", "4bf92f3577b34da6a3ce929d0e0e4736", R"("instance":"127.0.0.1:)"}) {
    EXPECT_NE(lines[0].find(part), std::string::npos) << part << " in " << lines[0];
  }
  EXPECT_EQ(lines[0].find("secret"), std::string::npos) << lines[0];
  for (const char* part : {R"("path":"/b")", R"("status":502)", R"("reason":"reset")", R"("127.0.0.1")",
                           R"("instance":"127.0.0.1:)"}) {
    EXPECT_NE(lines[1].find(part), std::string::npos) << part << " in " << lines[1];
  }
}

TEST(Gateway, AnswersHeadWithoutABody) {
  Rig rig({.script = always("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")});
  rig.run([](Rig& r) -> net::Task<> {
    for (int i = 1; i <= 2; ++i) {
      const Got got = co_await r.ask("HEAD / HTTP/1.1\r\nHost: front\r\nConnection: close\r\n\r\n");
      EXPECT_EQ(got.status(), "HTTP/1.1 200");
      EXPECT_TRUE(got.has("Content-Length: 5\r\n")) << got.bytes;
      EXPECT_EQ(got.body(), "");
    }
    EXPECT_EQ(r.service().connections(), 1) << "the connection is kept: nothing follows the head";
  });
}

TEST(Gateway, PassesAnAnswerThatComesBeforeTheRequestIsWhole) {
  Rig rig({.script = [](Call& call) -> net::Task<bool> {
    EXPECT_TRUE(co_await call.read(1));
    call.channel.send(answer(403, "no"));
    EXPECT_FALSE(co_await call.read(kLarge)) << "the gateway stops sending and closes";
    co_return false;
  }});
  rig.run([](Rig& r) -> net::Task<> {
    auto channel = co_await net::connect(r.loop(), r.address(), r.loop().now() + kPatience);
    channel->set_deadline(r.loop().now() + kPatience);
    channel->send(fmt::format("POST / HTTP/1.1\r\nHost: front\r\nContent-Length: {}\r\n\r\nbegin", kLarge));
    std::string got;
    while (!got.ends_with("no")) {
      const auto bytes = co_await channel->recv();
      EXPECT_TRUE(bytes && !bytes->empty()) << got;
      if (!bytes || bytes->empty()) {
        co_return;
      }
      got.append(*bytes);
    }
    EXPECT_TRUE(got.starts_with("HTTP/1.1 403")) << got;
  });
}

TEST(Gateway, CancelsTheCallWhenTheClientLeaves) {
  call::ServiceConfig config;
  config.circuit_breaker = resilience::BreakerConfig{.consecutive = 1};
  Rig rig({.service = config, .script = [](Call& call) -> net::Task<bool> {
             EXPECT_FALSE(co_await call.read(1)) << "the gateway closes what nobody waits for";
             co_return false;
           }});
  rig.run([](Rig& r) -> net::Task<> {
    auto channel = co_await net::connect(r.loop(), r.address(), r.loop().now() + kPatience);
    channel->send(get("/slow"));
    while (r.service().heads().empty()) {
      co_await r.service().changed().wait(r.loop().now() + kPatience);
    }
    channel->abort();
    while (r.service().ended() == 0) {
      co_await r.service().changed().wait(r.loop().now() + kPatience);
    }
    EXPECT_EQ(r.route().cancelled.read(), 1U);
    EXPECT_EQ(r.policies().breaker()->look(r.loop().now()), resilience::BreakerState::closed)
        << "a client that leaves is no failure of the service";
  });
}

TEST(Gateway, DoesNotBlameTheServiceWhenTheClientLeavesInTheMiddle) {
  call::ServiceConfig config;
  config.circuit_breaker = resilience::BreakerConfig{.consecutive = 1};
  Rig rig({.service = config, .script = [](Call& call) -> net::Task<bool> {
             call.channel.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
             const std::string piece(std::size_t{64} << 10U, 'x');
             do {
               call.channel.send(piece);
             } while (co_await call.channel.drain());
             co_return false;
           }});
  rig.run([](Rig& r) -> net::Task<> {
    auto channel = co_await net::connect(r.loop(), r.address(), r.loop().now() + kPatience);
    channel->send(get("/endless"));
    (void)co_await channel->recv();
    channel->abort();
    while (r.service().ended() == 0) {
      co_await r.service().changed().wait(r.loop().now() + kPatience);
    }
    EXPECT_EQ(r.policies().breaker()->look(r.loop().now()), resilience::BreakerState::closed);
  });
}

}  // namespace
}  // namespace flotilla::gateway
