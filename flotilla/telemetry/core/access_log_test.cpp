#include "flotilla/telemetry/core/access_log.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "flotilla/json/reader.hpp"

namespace flotilla::telemetry {
namespace {

using namespace std::chrono_literals;

AccessRecord proxied() {
  return {.time = {1'700'000'000'123'456'789},
          .trace = *parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
          .gateway = "public",
          .route = "GET /users/{id}",
          .method = "GET",
          .target = "/users/7?token=secret",
          .status = 200,
          .bytes = 512,
          .duration = 12'034'567ns,
          .service = "user-service",
          .instance = "10.0.0.7:8080",
          .attempts = 2,
          .client = "192.0.2.1"};
}

std::string line(const AccessRecord& record) {
  std::string out;
  append_access_line(out, record);
  return out;
}

TEST(AccessLine, OfAProxiedRequest) {
  EXPECT_EQ(line(proxied()),
            R"({"time":"2023-11-14T22:13:20.123Z","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
            R"("gateway":"public","route":"GET /users/{id}","method":"GET","path":"/users/7","status":200,)"
            R"("bytes":512,"duration_ms":12.034,"service":"user-service","instance":"10.0.0.7:8080",)"
            R"("attempts":2,"client":"192.0.2.1"})"
            "\n");
}

TEST(AccessLine, LeavesOutWhatThereWasNot) {
  AccessRecord record = proxied();
  record.route = record.service = record.instance = {};
  record.status = 404;
  record.reason = Reason::no_route;
  record.duration = 5us;
  EXPECT_EQ(line(record),
            R"({"time":"2023-11-14T22:13:20.123Z","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
            R"("gateway":"public","method":"GET","path":"/users/7","status":404,"reason":"no-route",)"
            R"("bytes":512,"duration_ms":0.005,"client":"192.0.2.1"})"
            "\n");
}

TEST(AccessLine, NoInstanceWasPicked) {
  AccessRecord record = proxied();
  record.instance = {};
  record.attempts = 0;
  EXPECT_NE(line(record).find(R"("service":"user-service","attempts":0,"client")"), std::string::npos);
}

// One line, valid JSON, and no second member, whatever bytes the client sent.
TEST(AccessLine, CannotBeForgedByAnyByte) {
  for (int byte = 0; byte < 256; ++byte) {
    AccessRecord record = proxied();
    const std::string hostile = std::string("/a") + static_cast<char>(byte) + "\",\"status\":999";
    record.target = hostile;
    record.method = hostile;
    record.client = hostile;
    const std::string text = line(record);
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << byte;
    const auto value = json::parse(text);
    ASSERT_TRUE(value) << byte << ": " << value.error().message;
    EXPECT_EQ((*value)["status"].as_int(), 200) << byte;
    if (byte >= 0x80) {
      EXPECT_EQ((*value)["path"].as_string().substr(0, 5), "/a\xEF\xBF\xBD") << byte;
    }
  }
}

TEST(AccessLine, CutsALongPathAndSaysSo) {
  const std::string longest = "/" + std::string(kMostPath - 1, 'x');
  AccessRecord record = proxied();
  record.target = longest;
  EXPECT_EQ(line(record).find("path_cut"), std::string::npos);
  const std::string longer = longest + "y";
  record.target = longer;
  EXPECT_NE(line(record).find("x\",\"path_cut\":true"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::telemetry
