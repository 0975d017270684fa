#include "flotilla/events/core/kafka_message.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace flotilla::events {
namespace {

using journal::kafka::Headers;
using journal::kafka::Incoming;
using Kind = ReceivedEvent::Kind;

Incoming message(std::string value, Headers headers = {}) {
  return {.topic = "orders",
          .partition = 3,
          .offset = 17,
          .timestamp_ms = 1'732'444'967'123,
          .key = "k",
          .value = std::move(value),
          .headers = std::move(headers)};
}

std::string header(const Headers& headers, std::string_view name) {
  const auto found = std::ranges::find(headers, name, &Headers::value_type::first);
  return found == headers.end() ? std::string() : found->second;
}

TEST(KafkaMessage, AnEventGoesOutInBinaryModeAndComesBackAsItWas) {
  const journal::Event event{.attributes = {{"id", "1"},
                                            {"source", "/shop"},
                                            {"type", "order"},
                                            {"subject", "Caf\u00e9 %"},
                                            {"datacontenttype", "application/json"},
                                            {"partitionkey", "k"}},
                             .data = R"({"n":9007199254740993})"};
  const auto out = to_kafka("orders", event, "shop");
  EXPECT_EQ(out.topic, "orders");
  EXPECT_EQ(out.key, "k");
  EXPECT_EQ(out.value, event.data);
  EXPECT_EQ(header(out.headers, "ce_specversion"), "1.0");
  EXPECT_EQ(header(out.headers, "ce_subject"), "Caf\u00e9 %");
  EXPECT_EQ(header(out.headers, "content-type"), "application/json");
  EXPECT_EQ(header(out.headers, "ce_datacontenttype"), "");
  EXPECT_EQ(header(out.headers, kGroupHeader), "shop");

  auto back = from_kafka(message(event.data, out.headers), "another");
  ASSERT_EQ(back.kind, Kind::event);
  EXPECT_EQ(back.event.data, event.data);
  std::ranges::sort(back.event.attributes);
  auto sent = event.attributes;
  std::ranges::sort(sent);
  EXPECT_EQ(back.event.attributes, sent);
}

TEST(KafkaMessage, WhatTheGroupItselfHasSentIsAnEcho) {
  const Headers headers{{"ce_specversion", "1.0"}, {"flotilla-group", "shop"}};
  EXPECT_EQ(from_kafka(message("{}", headers), "shop").kind, Kind::echo);
  EXPECT_NE(from_kafka(message("{}", headers), "other").kind, Kind::echo);
}

TEST(KafkaMessage, AnEventWithoutAKeyHasNone) {
  const journal::Event event{.attributes = {{"id", "1"}}, .data = {}};
  EXPECT_FALSE(to_kafka("orders", event, "shop").key.has_value());
}

TEST(KafkaMessage, TheKeyOfKafkaIsThePartitionKey) {
  const Headers headers{{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_source", "/a"}, {"ce_type", "t"}};
  EXPECT_EQ(from_kafka(message("", headers), "g").event.attribute("partitionkey"), "k");
  Incoming binary = message("", headers);
  binary.key = std::string("\x00\xff", 2);  // no attribute can be that
  EXPECT_EQ(from_kafka(std::move(binary), "g").event.attribute("partitionkey"), "");
}

TEST(KafkaMessage, APlainMessageIsWrapped) {
  const auto wrapped = from_kafka(message(R"({"a":1})", {{"correlationid", "c"}, {"x-other", "y"}}), "g");
  ASSERT_EQ(wrapped.kind, Kind::wrapped);
  const journal::Event& event = wrapped.event;
  EXPECT_EQ(event.attribute("id"), "orders/3/17/1732444967123");
  EXPECT_EQ(event.attribute("source"), "/kafka/orders");
  EXPECT_EQ(event.attribute("type"), "orders");
  EXPECT_EQ(event.attribute("time"), "2024-11-24T10:42:47.123Z");
  EXPECT_EQ(event.attribute("datacontenttype"), "application/json");
  EXPECT_EQ(event.attribute("correlationid"), "c");
  EXPECT_EQ(event.attribute("partitionkey"), "k");
  EXPECT_EQ(event.data, R"({"a":1})");
}

TEST(KafkaMessage, TheTypeOfPlainDataIsSaidOrSeen) {
  const auto type = [](std::string value, Headers headers = {}) {
    return std::string(
        from_kafka(message(std::move(value), std::move(headers)), "g").event.attribute("datacontenttype"));
  };
  EXPECT_EQ(type("[1]"), "application/json");
  EXPECT_EQ(type("hello"), "text/plain");
  EXPECT_EQ(type("\xff"), "application/octet-stream");
  EXPECT_EQ(type(""), "");
  EXPECT_EQ(type("<a/>", {{"Content-Type", "application/xml"}}), "application/xml");
  EXPECT_EQ(type("no json", {{"content-type", "application/json"}}), "text/plain");
}

TEST(KafkaMessage, StructuredModeIsRead) {
  const auto read =
      from_kafka(message(R"({"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"n":1.10}})",
                         {{"content-type", "application/cloudevents+json; charset=utf-8"}}),
                 "g");
  ASSERT_EQ(read.kind, Kind::event);
  EXPECT_EQ(read.event.data, R"({"n":1.10})");
}

TEST(KafkaMessage, WhatSaysItIsACloudEventAndIsNoneIsUnreadable) {
  struct Row {
    Headers headers;
    std::string value;
    std::string why;
  };
  const std::vector<Row> rows{
      {{{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"ce_type", "t"}},
       "",
       "the attribute 'source' is missing"},
      {{{"ce_specversion", "0.3"}, {"ce_id", "1"}}, "", "specversion: this is for CloudEvents 1.0"},
      {{{"ce_specversion", "1.0"}, {"ce_id", "1"}, {"CE_ID", "2"}}, "", "the attribute 'id' stands twice"},
      {{{"ce_specversion", "1.0"}, {"ce_id", "a\nb"}}, "", "the attribute 'id' is not a text"},
      {{{"content-type", "application/cloudevents+json"}},
       "[]",
       "an event in structured mode is a JSON object"},
      {{{"ce_specversion", "1.0"}, {"content-type", "application/json"}}, "{", "the data is not JSON"},
  };
  for (const Row& row : rows) {
    const auto read = from_kafka(message(row.value, row.headers), "g");
    EXPECT_EQ(read.kind, Kind::unreadable);
    EXPECT_TRUE(read.why.starts_with(row.why)) << read.why;
    EXPECT_EQ(read.event.attribute("id"), "orders/3/17/1732444967123");
    EXPECT_EQ(read.event.data, row.value);
  }
}

}  // namespace
}  // namespace flotilla::events
