// Publications against testdata/publications.txt: a request, and the events that are read from it.
//
// A scenario begins with "## NAME", then stand fields, an empty line and the body ("> " before each), then
// the events, each as JSON with what it lacked filled in, or what is refused ("< "). `\xNN` in a body is a
// byte. FLOTILLA_WRITE_GOLDEN=1 rewrites the answers; read the difference before you commit it.
#include "flotilla/events/core/cloud_event.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/core/completion.hpp"
#include "flotilla/events/core/event_json.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr const char* kGolden = FLOTILLA_SOURCE_DIR "/flotilla/events/testdata/publications.txt";
constexpr WallTime kNow{1'795'700'000'000'000'000};

std::string read_golden() {
  std::ifstream file(kGolden);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A topic with a key and a schema.
const Topic& orders() {
  static const Topic topic = [] {
    Topic t{.name = "order.created", .key_text = ".order_id", .key = {}, .schema = {}};
    const std::string_view variables[] = {"event"};
    t.key = expr::compile(t.key_text, variables).value();
    t.schema =
        json::Schema::compile(json::parse(R"({"properties":{"total":{"type":"number"}}})").value()).value();
    return t;
  }();
  return topic;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\x")) {
      out += static_cast<char>(hex_digit(text[i + 2]) * 16 + hex_digit(text[i + 3]));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string answer(const http::Fields& fields, const std::string& body) {
  const auto refused = [](const Refusal& refusal) {
    return "< " + std::string(to_string(refusal.reason)) + ": " + refusal.detail + "\n";
  };
  const auto events = read_events(fields, body);
  if (!events) {
    return refused(events.error());
  }
  Random random(1);
  std::string out;
  for (const journal::Event& event : *events) {
    const auto done = complete(
        orders(), event,
        {.correlation = fields.get("Correlation-Id").value_or(""), .causation = {}, .traceparent = {}}, kNow,
        random);
    if (!done) {
      return out + refused(done.error());
    }
    std::string json;
    append_event(json, done->event, "2026-11-26T00:53:20.000Z");
    EXPECT_TRUE(json::parse(json)) << json;
    out += (done->own_id ? "< ours " : "< ") + json + "\n";
  }
  return out + (events->empty() ? "< nothing\n" : "");
}

TEST(CloudEvent, ReadsAndCompletesPublications) {
  std::istringstream lines(read_golden());
  std::string written;
  std::string expected;
  http::Fields fields;
  std::string body;
  bool in_body = false;
  bool asked = false;
  int scenarios = 0;
  const auto finish = [&] {
    if (asked) {
      written += answer(fields, unescape(body));
      ++scenarios;
    }
    fields = {};
    body.clear();
    in_body = asked = false;
  };
  for (std::string line; std::getline(lines, line);) {
    expected += line + "\n";
    if (line.starts_with("< ")) {
      continue;
    }
    if (line.starts_with("> ") || line == ">") {
      const std::string said = line.size() > 2 ? line.substr(2) : "";
      asked = true;
      if (in_body) {
        body += (body.empty() ? "" : "\n") + said;
      } else if (said.empty()) {
        in_body = true;
      } else {
        const std::size_t colon = said.find(": ");
        fields.add(said.substr(0, colon), said.substr(colon + 2));
      }
    } else {
      finish();
    }
    written += line + "\n";
  }
  finish();
  EXPECT_GE(scenarios, 20);
  if (std::getenv("FLOTILLA_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kGolden) << written;
  }
  EXPECT_EQ(written, expected);
}

TEST(CloudEvent, HasBounds) {
  std::string batch = "[";
  for (std::size_t i = 0; i <= kMaxBatchEvents; ++i) {
    batch += batch.size() > 1 ? ",{}" : "{}";
  }
  batch += "]";
  const http::Fields as_batch{{"Content-Type", "application/cloudevents-batch+json"}};
  EXPECT_EQ(read_events(as_batch, batch).error().reason, Reason::too_large);
  EXPECT_TRUE(read_events(as_batch, batch.substr(0, batch.size() - 4) + "]"));

  http::Fields crowd;
  for (std::size_t i = 0; i < kMaxAttributes; ++i) {
    crowd.add("ce-a" + std::to_string(i), "x");
  }
  EXPECT_TRUE(read_events(crowd, "1"));
  crowd.add("ce-more", "x");
  EXPECT_EQ(read_events(crowd, "1").error().reason, Reason::too_large);

  EXPECT_TRUE(read_events({{"ce-a", std::string(kMaxAttributeValue, 'x')}}, ""));
  EXPECT_FALSE(read_events({{"ce-a", std::string(kMaxAttributeValue + 1, 'x')}}, ""));

  Random random(1);
  const Topic plain{.name = "t", .key_text = {}, .key = {}, .schema = {}};
  journal::Event large;
  large.attributes = {{"datacontenttype", "text/plain"}};
  large.data = std::string(journal::kMaxBody, 'x');
  EXPECT_EQ(complete(plain, large, {}, kNow, random).error().reason, Reason::too_large);
  large.data.resize(journal::kMaxBody - 600);
  const auto fits = complete(plain, large, {}, kNow, random);
  ASSERT_TRUE(fits) << fits.error().detail;
  EXPECT_LE(encode(fits->event).size(), journal::kMaxBody);
}

TEST(CloudEvent, WritesWhatItReads) {
  for (const std::string_view text :
       {R"({"specversion":"1.0","id":"1","source":"/s","type":"t","recordedtime":"r","data":{"a":1.10}})",
        R"({"specversion":"1.0","datacontenttype":"text/plain","recordedtime":"r","data":"a\nb"})",
        R"({"specversion":"1.0","datacontenttype":"image/png","recordedtime":"r","data_base64":"/w=="})",
        R"({"specversion":"1.0","id":"1","recordedtime":"r"})"}) {
    const auto events =
        read_events({{"Content-Type", "application/cloudevents+json; charset=utf-8"}}, std::string(text));
    ASSERT_TRUE(events) << events.error().detail;
    std::string written;
    append_event(written, events->at(0), "r");
    EXPECT_EQ(written, text);
  }
}

}  // namespace
}  // namespace flotilla::events
