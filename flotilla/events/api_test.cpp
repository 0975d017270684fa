#include "flotilla/events/api.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/events/topic_rig.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using test::json_of;
using test::Rig;
using namespace std::chrono_literals;

const http::Fields kBatch{{"Content-Type", "application/cloudevents-batch+json"}};

std::string ids(const json::Value& events) {
  std::string all;
  for (const json::Value& event : events.items()) {
    all += (all.empty() ? "" : " ") + std::string(event["id"].as_string());
  }
  return all;
}

TEST(TopicsApi, PublishesAndReads) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    const auto published = co_await rig.post("orders", R"({"n":1})", {{"ce-id", "a"}, {"ce-source", "/s"}});
    EXPECT_EQ(published.status, 202);
    EXPECT_EQ(published.body,
              R"({"position":"0-1","events":[{"id":"a","position":"0-1","duplicate":false}]})");
    EXPECT_EQ(published.headers.get("Position"), "0-1");
    EXPECT_EQ((co_await rig.post("audit", "{}")).status, 202);
    const auto read = co_await rig.get("orders");
    EXPECT_EQ(read.status, 200);
    const json::Value page = json_of(read);
    EXPECT_EQ(page["events"].size(), 1U);
    EXPECT_EQ(json::write(page["events"][0]["data"]), R"({"n":1})");
    EXPECT_EQ(page["next"], json::Value("0-2")) << "behind the other topic's event too";
    EXPECT_EQ(json_of(co_await rig.get("orders?from=0-2"))["events"].size(), 0U);
  });
  EXPECT_EQ(rig.metrics.of("orders").published.read(), 1U);
  EXPECT_EQ(rig.metrics.of("orders").read.read(), 1U);
}

TEST(TopicsApi, KeepsASourceAndIdOnce) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    const http::Fields fields{{"ce-id", "a"}, {"ce-source", "/s"}};
    (void)co_await rig.post("orders", R"({"n":1})", fields);
    const auto again = json_of(co_await rig.post("orders", R"({"n":2})", fields));
    EXPECT_TRUE(again["events"][0]["duplicate"].as_bool());
    EXPECT_EQ(again["position"], json::Value("0-1"));
    const auto elsewhere = json_of(co_await rig.post("audit", "{}", fields));
    EXPECT_FALSE(elsewhere["events"][0]["duplicate"].as_bool()) << "topics are apart";
    const auto other = json_of(co_await rig.post("orders", "{}", {{"ce-id", "a"}, {"ce-source", "/t"}}));
    EXPECT_FALSE(other["events"][0]["duplicate"].as_bool()) << "sources are apart";
    const json::Value page = json_of(co_await rig.get("orders"));
    EXPECT_EQ(ids(page["events"]), "a a");
    EXPECT_EQ(json::write(page["events"][0]["data"]), R"({"n":1})") << "the first one stays";
  });
  EXPECT_EQ(rig.metrics.of("orders").duplicates.read(), 1U);
  EXPECT_EQ(rig.metrics.of("orders").published.read(), 2U);
}

TEST(TopicsApi, ABatchKeepsWhatIsNewInItsOrder) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    (void)co_await rig.post("orders", "{}", {{"ce-id", "b"}});
    (void)co_await rig.post("orders", "{}", {{"ce-id", "d"}});
    const auto answer = json_of(co_await rig.post(
        "orders", R"([{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"},{"id":"a"},{"id":"e"}])", kBatch));
    std::string seen;
    for (const json::Value& event : answer["events"].items()) {
      seen += std::string(event["id"].as_string()) + (event["duplicate"].as_bool() ? "= " : " ") +
              std::string(event["position"].as_string()) + ", ";
    }
    EXPECT_EQ(seen, "a 0-3, b= 0-5, c 0-4, d= 0-5, a= 0-5, e 0-5, ");
    EXPECT_EQ(ids(json_of(co_await rig.get("orders"))["events"]), "b d a c e");
  });
}

TEST(TopicsApi, OneWrongEventRefusesItsBatch) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    const auto answer = co_await rig.post("orders", R"([{"id":"a"},{"id":"b","time":"never"}])", kBatch);
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(json_of(answer)["detail"].as_string().starts_with("event 1: "));
    EXPECT_EQ(json_of(co_await rig.get("orders"))["events"].size(), 0U);
    EXPECT_EQ((co_await rig.post("orders", "[]", kBatch)).status, 202);
  });
  EXPECT_EQ(rig.metrics.of("orders").refused.read(), 1U);
  EXPECT_EQ(rig.journal.position().number(), 0U);
}

TEST(TopicsApi, GoesOnWithAStreamThatAnotherHasCreated) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    Publisher other(rig.journal);
    Api beside(rig.topics, other, rig.reader, rig.metrics, 8);
    (void)co_await rig.post("orders", "{}", {{"ce-id", "a"}});
    http::Request request{
        .method = "POST", .target = "/v1/topics/orders", .headers = {{"ce-id", "b"}}, .body = "{}"};
    EXPECT_EQ((co_await beside.handle(std::move(request), net::SocketAddress())).status, 202);
    EXPECT_EQ(ids(json_of(co_await rig.get("orders"))["events"]), "a b");
    const auto rows =
        co_await rig.journal.list(journal::SummaryQuery{.record_class = journal::RecordClass::topic});
    EXPECT_EQ(rows->size(), 1U) << "one stream";
  });
}

TEST(TopicsApi, SaysWhatIsWrong) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    const std::pair<const char*, std::uint16_t> cases[] = {
        {"unknown", 404},           {"orders/more", 404},       {"", 404},
        {"orders%2", 400},          {"orders?from=x", 400},     {"orders?from=1-1", 400},
        {"orders?limit=0", 400},    {"orders?limit=1001", 400}, {"orders?limit=x", 400},
        {"orders?wait=61s", 400},   {"orders?wait=5", 400},     {"orders?from=0-9", 503},
        {"orders?from=latest", 200}};
    for (const auto& [target, status] : cases) {
      const auto answer = co_await rig.get(target);
      EXPECT_EQ(answer.status, status) << target << ": " << answer.body;
    }
    EXPECT_EQ((co_await rig.get("orders?from=0-9")).headers.get("Flotilla-Error"), "behind");
    const auto put = co_await rig.api.handle(
        {.method = "PUT", .target = "/v1/topics/orders", .headers = {}, .body = {}}, net::SocketAddress());
    EXPECT_EQ(put.status, 405);
    EXPECT_EQ(put.headers.get("Allow"), "GET, POST");
    rig.journal.break_appends(journal::StoreUnavailable{.reason = "no space"});
    const auto broken = co_await rig.post("orders", "{}");
    EXPECT_EQ(broken.status, 503);
    EXPECT_EQ(broken.headers.get("Flotilla-Error"), "store-unavailable");
    EXPECT_EQ(broken.headers.get("Retry-After"), "1");
  });
  EXPECT_EQ(rig.metrics.of("orders").failed.read(), 1U);
}

TEST(TopicsApi, AWaitingReaderIsWokenByTheNextEvent) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    std::optional<http::Response> got;
    net::Scope readers;
    const auto wait = [](Rig& r, std::optional<http::Response>& out) -> net::Task<> {
      out = co_await r.get("orders?from=latest&wait=60s");
    };
    readers.spawn(wait(rig, got));
    EXPECT_FALSE(got);
    EXPECT_EQ(rig.metrics.waiting.read(), 1U);
    (void)co_await rig.post("audit", "{}");
    (void)co_await rig.post("orders", "{}", {{"ce-id", "a"}});
    co_await readers.join();
    EXPECT_EQ(ids(json_of(*got)["events"]), "a");
    const auto begin = rig.loop->now();
    const json::Value quiet = json_of(co_await rig.get("orders?from=latest&wait=20ms"));
    EXPECT_EQ(quiet["events"].size(), 0U);
    EXPECT_GE(rig.loop->now() - begin, 20ms);
  });
  EXPECT_EQ(rig.metrics.waiting.read(), 0U);
}

TEST(TopicsApi, RefusesReadersThatWouldWaitBeyondTheBound) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    net::Scope readers;
    const auto wait = [](Rig& r) -> net::Task<> { (void)co_await r.get("orders?wait=60s"); };
    for (std::size_t i = 0; i < kMaxWaiting; ++i) {
      readers.spawn(wait(rig));
    }
    const auto refused = co_await rig.get("orders?wait=60s");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.get("Flotilla-Error"), "overloaded");
    EXPECT_EQ((co_await rig.get("orders")).status, 200) << "who does not wait is served";
    readers.cancel_all();
    EXPECT_EQ((co_await rig.get("orders?wait=1ms")).status, 200);
  });
  EXPECT_EQ(rig.metrics.waiting_refused.read(), 1U);
}

TEST(TopicsApi, ReadsAllShardsInPages) {
  Rig rig(4);
  rig.run([&]() -> net::Task<> {
    // As sagas do it, in shards of their own.
    for (std::uint32_t n = 0; n < 12; ++n) {
      journal::Batch batch;
      batch.shard = n % 4;
      batch.epoch = rig.journal.epoch(batch.shard);
      const auto stream = batch.create();
      const journal::Event event{.attributes = {{"id", "s" + std::to_string(n)}}, .data = "{}"};
      batch.appends.push_back(
          {.record_class = journal::RecordClass::topic,
           .stream = stream,
           .records = {{.type = journal::kEventRecord, .body = encode(event), .category = "orders"}}});
      EXPECT_TRUE(co_await rig.journal.append(std::move(batch)));
    }
    (void)co_await rig.post("orders", "{}", {{"ce-id", "a"}});
    std::vector<std::string> seen;
    std::string from = "0";
    for (int page = 0; page < 20; ++page) {
      const json::Value answer = json_of(co_await rig.get("orders?limit=2&from=" + from));
      EXPECT_LE(answer["events"].size(), 2U);
      for (const json::Value& event : answer["events"].items()) {
        seen.emplace_back(event["id"].as_string());
      }
      from = answer["next"].as_string();
    }
    EXPECT_EQ(seen.size(), 13U);
    for (int shard = 0; shard < 4; ++shard) {
      const auto place = [&](int n) { return std::ranges::find(seen, "s" + std::to_string(n)); };
      EXPECT_LT(place(shard), place(shard + 4));
      EXPECT_LT(place(shard + 4), place(shard + 8));
    }
    std::optional<http::Response> got;
    net::Scope readers;
    const auto wait = [](Rig& r, std::string at, std::optional<http::Response>& out) -> net::Task<> {
      out = co_await r.get("orders?wait=60s&from=" + at);
    };
    readers.spawn(wait(rig, from, got));
    (void)co_await rig.post("orders", "{}", {{"ce-id", "b"}});
    co_await readers.join();
    EXPECT_EQ(ids(json_of(*got)["events"]), "b");
  });
}

TEST(TopicsApi, FillsInWhereAnEventBelongs) {
  Rig rig;
  rig.run([&]() -> net::Task<> {
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    (void)co_await rig.post("orders", "{}",
                            {{"Correlation-Id", "c"}, {"Causation-Id", "b"}, {"traceparent", trace}});
    (void)co_await rig.post("orders", "{}", {{"Correlation-Id", "not one"}, {"traceparent", "nonsense"}});
    const json::Value page = json_of(co_await rig.get("orders"));
    const json::Value& first = page["events"][0];
    EXPECT_EQ(first["correlationid"], json::Value("c"));
    EXPECT_EQ(first["causationid"], json::Value("b"));
    EXPECT_EQ(first["traceparent"], json::Value(trace));
    const json::Value& second = page["events"][1];
    EXPECT_EQ(second["correlationid"], second["id"]);
    EXPECT_EQ(second["causationid"], second["id"]);
    EXPECT_EQ(second.find("traceparent"), nullptr);
    EXPECT_EQ(second["source"], json::Value("/topics/orders"));
  });
}

}  // namespace
}  // namespace flotilla::events
