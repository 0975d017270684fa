// The APIs of sagas against testdata/api.txt: what is asked, what the Sagas are asked then, what is answered.
//
// A scenario begins with "## NAME". "? FIELD VALUE" sets the fake up, "> " lines are the request (method and
// target, fields, an empty one, the body), then stand what the fake was asked ("* ") and the answer ("< ").
// FLOTILLA_WRITE_GOLDEN=1 rewrites the answers; read the difference before you commit it.
#include "flotilla/saga/api.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flotilla/base/log.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/saga/asked.hpp"
#include "flotilla/saga/fake_sagas.hpp"
#include "flotilla/saga/operator_api.hpp"

namespace flotilla::saga {
namespace {

using testing::HasSubstr;

constexpr const char* kGolden = FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/api.txt";

std::string read_golden() {
  std::ifstream file(kGolden);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class Door>
http::Response ask(Door& door, http::Request request) {
  std::optional<http::Response> response;
  net::Scope scope;
  const auto run = [](Door& asked, http::Request question,
                      std::optional<http::Response>& out) -> net::Task<> {
    out = co_await asked.handle(std::move(question), *net::SocketAddress::parse("10.9.8.7:1234"));
  };
  scope.spawn(run(door, std::move(request), response));
  return response.value();
}

http::Response ask_either(FakeSagas& sagas, http::Request request) {
  if (request.target.starts_with("/api/")) {
    OperatorApi door(sagas);
    return ask(door, std::move(request));
  }
  Api door(sagas);
  return ask(door, std::move(request));
}

void set_up(FakeSagas& sagas, std::string_view setting) {
  const std::size_t blank = setting.find(' ');
  const std::string name(setting.substr(0, blank));
  const std::string value(setting.substr(blank + 1));
  if (name == "state") {
    sagas.state = value;
  } else if (name == "next") {
    sagas.next = value;
  } else if (name == "existing") {
    sagas.existing = true;
  } else if (name == "pivot") {
    sagas.pivot_decides = true;
  } else if (name == "problem") {  // REASON [STATUS [RETRY_AFTER_MS]]
    std::istringstream words(value);
    std::string reason;
    int status = 0;
    int retry = 0;
    words >> reason >> status >> retry;
    sagas.problem = SagaProblem{.detail = "the detail"};
    for (std::size_t i = 0; i < kReasonCount; ++i) {
      if (to_string(static_cast<Reason>(i)) == reason) {
        sagas.problem->reason = static_cast<Reason>(i);
      }
    }
    sagas.problem->status = static_cast<std::uint16_t>(status);
    sagas.problem->retry_after = Millis(retry);
  } else {
    ADD_FAILURE() << "unknown setting " << name;
  }
}

// The request, from its lines without their "> ".
http::Request parse_request(const std::vector<std::string>& lines) {
  http::Request request;
  const std::size_t blank = lines.at(0).find(' ');
  request.method = lines[0].substr(0, blank);
  request.target = lines[0].substr(blank + 1);
  std::size_t i = 1;
  for (; i < lines.size() && !lines[i].empty(); ++i) {
    const std::size_t colon = lines[i].find(": ");
    request.headers.add(lines[i].substr(0, colon), lines[i].substr(colon + 2));
  }
  for (++i; i < lines.size(); ++i) {
    request.body += lines[i];
  }
  return request;
}

std::string play(const std::vector<std::string>& settings, const std::vector<std::string>& lines) {
  FakeSagas sagas;
  for (const std::string& setting : settings) {
    set_up(sagas, setting);
  }
  const http::Response response = ask_either(sagas, parse_request(lines));
  std::string out;
  for (const std::string& line : sagas.asked) {
    out += "* " + line + "\n";
  }
  out += fmt::format("< {}\n", response.status);
  for (const http::Field& field : response.headers) {
    if (field.name != "Cache-Control") {
      out += fmt::format("< {}: {}\n", field.name, field.value);
    }
  }
  if (!response.body.empty()) {
    out += "< " + response.body + "\n";
  }
  return out;
}

// The whole file with the answers that are given now.
std::string replay(const std::string& golden) {
  std::istringstream in(golden);
  std::string out;
  std::string line;
  std::vector<std::string> settings;
  std::vector<std::string> request;
  const auto flush = [&] {
    if (!request.empty()) {
      out += play(settings, request);
    }
    settings.clear();
    request.clear();
  };
  while (std::getline(in, line)) {
    if (line.starts_with("* ") || line.starts_with("< ")) {
      continue;  // what was answered before
    }
    if (line.empty() || line.starts_with("## ")) {
      flush();
    }
    if (line.starts_with("? ")) {
      settings.push_back(line.substr(2));
    } else if (line.starts_with(">")) {
      request.push_back(line.size() > 2 ? line.substr(2) : "");
    }
    out += line + "\n";
  }
  flush();
  return out;
}

void swallow(log::Level, std::string_view) {}

TEST(SagaApi, AnswersAsTheGoldenScenariosSay) {
  log::set_sink(&swallow);
  const std::string golden = read_golden();
  ASSERT_FALSE(golden.empty()) << kGolden;
  const std::string now = replay(golden);
  if (std::getenv("FLOTILLA_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kGolden) << now;
  }
  EXPECT_EQ(now, golden);
}

TEST(SagaApi, RefusesPayloadsOverTheLimitUnparsed) {
  FakeSagas sagas;
  Api api(sagas);
  const auto start = [&](std::size_t bytes) {
    return ask(api, {.method = "POST",
                     .target = "/v1/sagas/place-order",
                     .headers = {},
                     .body = '"' + std::string(bytes - 2, 'x') + '"'});
  };
  EXPECT_EQ(start(kMaxPayload).status, 200);
  const http::Response refused = start(kMaxPayload + 1);
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.headers.get("Flotilla-Error"), "too-large");
  EXPECT_THAT(refused.body, HasSubstr("262145 bytes, at most 262144"));
  EXPECT_EQ(sagas.asked.size(), 1U);
}

TEST(SagaApi, CallbacksComeBackToTheirPath) {
  FakeSagas sagas;
  Api api(sagas);
  const http::Response response = ask(
      api,
      {.method = "POST", .target = std::string(kCallbackPath) + "sg1-b-0-a-m", .headers = {}, .body = "x"});
  EXPECT_EQ(response.status, 204);
  EXPECT_THAT(sagas.asked, testing::ElementsAre("callback sg1-b-0-a-m outcome= body=x"));
}

std::string g_log;  // NOLINT: what the sink below was given

TEST(OperatorApi, LogsWhoDidWhatAndFromWhere) {
  g_log.clear();
  log::set_sink([](log::Level, std::string_view line) { g_log.append(line).append("\n"); });
  FakeSagas sagas;
  OperatorApi api(sagas);
  const std::string target = std::string("/api/v1/sagas/") + FakeSagas::kId + "/resume";
  ask(api,
      {.method = "POST", .target = target, .headers = {}, .body = R"({"who":"ada","why":"it was fixed"})"});
  const std::string saga = std::string("admin: saga ") + FakeSagas::kId;
  EXPECT_EQ(g_log, saga + ": resume: done, by ada from 10.9.8.7:1234 (it was fixed)\n");
  g_log.clear();
  const std::string approve = std::string("/api/v1/sagas/") + FakeSagas::kId + "/signal/approve";
  ask(api, {.method = "POST", .target = approve, .headers = {}, .body = ""});
  EXPECT_EQ(g_log, saga + ": signal approve, from 10.9.8.7:1234\n");
  g_log.clear();
  sagas.problem = SagaProblem{.reason = Reason::invalid, .detail = "no name of a signal"};
  ask(api, {.method = "POST", .target = approve + "%0aadmin:%20all%20is%20well", .headers = {}, .body = ""});
  EXPECT_EQ(g_log, "");
}

TEST(ReadKey, TakesQuotedAndBareKeysForTheSame) {
  struct {
    std::vector<std::string_view> fields;
    std::optional<std::string> key;
  } const cases[] = {
      {{}, ""},
      {{"k-1"}, "k-1"},
      {{R"("k-1")"}, "k-1"},
      {{R"("a b\"c\\d,e;f")"}, R"(a b"c\d,e;f)"},
      {{"k-1", "k-1"}, std::nullopt},
      {{""}, std::nullopt},
      {{R"("")"}, std::nullopt},
      {{R"(")"}, std::nullopt},
      {{R"("a"b")"}, std::nullopt},
      {{R"("a\n")"}, std::nullopt},
      {{R"("a\")"}, std::nullopt},
      {{"a b"}, std::nullopt},
      {{"a;b=1"}, std::nullopt},
      {{"\"\xc3\xa4\""}, std::nullopt},
  };
  for (const auto& c : cases) {
    const auto key = read_key(c.fields);
    EXPECT_EQ(key ? std::optional(*key) : std::nullopt, c.key) << testing::PrintToString(c.fields);
  }
  EXPECT_TRUE(read_key({std::string(kMaxKeyBytes, 'k')}).has_value());
  EXPECT_FALSE(read_key({std::string(kMaxKeyBytes + 1, 'k')}).has_value());
}

}  // namespace
}  // namespace flotilla::saga
