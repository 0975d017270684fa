// Runs the scenarios of testdata/*.txt: requests and exact answers, with fake time.
//
//   > METHOD TARGET [BODY]     a request; the lines after it, up to a blank one, are the expected answer:
//   < STATUS [HEADER=VALUE]... headers named here must have that value (a blank in it is written _)
//   BODY                       exact; `...` at its end: only the beginning counts; absent: must be empty
//   < blocked                  the read was parked; it stands until `wake` or `sleep` resolve it
//   sleep DURATION             time passes; due probes are failed with "refused" unless `probes ok`
//   wake                       the parked read must be ready; its answer follows as above
#include "flotilla/discovery/core/consul_api.hpp"

#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/discovery/core/consul_decode.hpp"
#include "flotilla/discovery/core/go_duration.hpp"

namespace flotilla::discovery {
namespace {

Registry::Options options() {
  Node node{.id = "6a1f0c1e-3d2b-4b7f-9a55-0f3c2d9be001",
            .name = "edge-7",
            .address = "127.0.0.1",
            .datacenter = "dc1"};
  node.tagged_addresses = {{"lan", "127.0.0.1"}};
  node.meta = {{"rack", "b2"}};
  return {.node = node, .first_index = 10, .control_ports = {8500}};
}

class Player {
 public:
  void play(std::istream& script) {
    std::string line;
    while (std::getline(script, line)) {
      ++line_;
      SCOPED_TRACE(fmt::format("line {}: {}", line_, line));
      if (line.empty() || line.starts_with('#')) {
        expect_end();
      } else if (line.starts_with("> ")) {
        expect_end();
        send(line.substr(2));
      } else if (line.starts_with("sleep ")) {
        expect_end();
        pass(*parse_go_duration(line.substr(6)));
      } else if (line == "probes ok") {
        probes_pass_ = true;
      } else if (line == "wake") {
        expect_end();
        ASSERT_TRUE(parked_.has_value());
        EXPECT_TRUE(registry_.catalog().index(parked_->scope) > parked_->index || parked_->deadline <= now_);
        response_ = api_.answer(std::exchange(parked_, std::nullopt)->request, now_);
      } else if (line.starts_with("< ")) {
        expect_head(line.substr(2));
      } else {
        expect_body(line);
      }
    }
    expect_end();
  }

 private:
  void send(const std::string& text) {
    std::istringstream in(text);
    http::Request request;
    in >> request.method >> request.target;
    std::getline(in >> std::ws, request.body);
    auto result = api_.handle(request, now_);
    if (auto* read = std::get_if<BlockedRead>(&result)) {
      parked_ = std::move(*read);
    } else {
      response_ = std::get<http::Response>(std::move(result));
    }
  }
  void pass(Duration time) {
    const Instant until = now_ + time;
    while (registry_.next_deadline() <= until) {
      now_ = std::max(now_, registry_.next_deadline());
      for (const StartProbe& probe : registry_.advance(now_)) {
        ProbeResult result{.status = 200, .reason = "OK", .body = "fine"};
        if (!probes_pass_) {
          result = {.error = "connection refused"};
        }
        registry_.on_probe(probe.id, result, now_);
      }
    }
    now_ = until;
  }
  void expect_head(const std::string& text) {
    std::istringstream in(text);
    std::string word;
    in >> word;
    if (word == "blocked") {
      EXPECT_TRUE(parked_.has_value());
      EXPECT_FALSE(response_.has_value());
      return;
    }
    ASSERT_TRUE(response_.has_value());
    EXPECT_EQ(fmt::format("{}", response_->status), word);
    while (in >> word) {
      const std::size_t equals = word.find('=');
      std::string value = word.substr(equals + 1);
      std::ranges::replace(value, '_', ' ');
      EXPECT_EQ(response_->headers.get(word.substr(0, equals)).value_or("(absent)"), value) << word;
    }
  }
  void expect_body(const std::string& line) {
    ASSERT_TRUE(response_.has_value());
    std::string& body = response_->body;
    if (line.ends_with("...")) {
      EXPECT_EQ(body.substr(0, line.size() - 3) + "...", line);
      body.clear();
    } else {
      const std::size_t end = std::min(body.find('\n'), body.size());
      EXPECT_EQ(body.substr(0, end), line);
      body.erase(0, end + 1);
    }
  }
  void expect_end() {
    if (response_) {
      EXPECT_EQ(response_->body, "") << "of the answer before";
      response_.reset();
    }
  }

  Registry registry_{options()};
  ConsulApi api_{registry_, 1};
  Instant now_{Duration{1'000'000'000'000}};
  std::optional<http::Response> response_;
  std::optional<BlockedRead> parked_;
  bool probes_pass_ = false;
  int line_ = 0;
};

class ConsulScenario : public testing::TestWithParam<const char*> {};

TEST_P(ConsulScenario, Plays) {
  std::ifstream script(fmt::format("{}/flotilla/discovery/testdata/{}.txt", FLOTILLA_SOURCE_DIR, GetParam()));
  ASSERT_TRUE(script.is_open());
  Player().play(script);
}
INSTANTIATE_TEST_SUITE_P(Files, ConsulScenario,
                         testing::Values("agent", "blocking", "errors", "health", "lenient"),
                         [](const auto& file) { return std::string(file.param); });

}  // namespace
}  // namespace flotilla::discovery
