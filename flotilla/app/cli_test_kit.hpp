// A command line to run in a test, and an admin port for its client verbs to ask.
//
// Ownership, threads: an AdminPort owns a thread, which it ends. Limits: none; only tests include it.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/app/cli.hpp"
#include "flotilla/http/api_server.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::app {

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

// Runs `flotilla ARGUMENTS...` with commands that say what they were called with; check fails.
inline Outcome run(std::vector<std::string> arguments) {
  Commands commands;
  commands.up = [](const std::string& file) { return std::printf("up %s\n", file.c_str()) < 0 ? 1 : 0; };
  commands.check = [](const std::string& file) {
    return std::printf("check %s\n", file.c_str()) < 0 ? 2 : 1;
  };
  commands.schema = [] { return std::printf("{}\n") < 0 ? 1 : 0; };
  commands.demo = [](bool tour, const DemoPorts& ports) {
    return std::printf("demo %d %d %d\n", tour ? 1 : 0, ports.gateway, ports.service(6)) < 0 ? 1 : 0;
  };
  commands.simulate = [](const SimulateOptions& options) {
    return std::printf("simulate %s %s %llu %llu %zu\n", options.file.c_str(), options.saga.c_str(),
                       static_cast<unsigned long long>(options.seed),
                       static_cast<unsigned long long>(options.seeds), options.events) < 0
               ? 1
               : 0;
  };
  commands.version = "flotilla 1.2.3";
  std::vector<const char*> argv{"flotilla"};
  for (const std::string& argument : arguments) {
    argv.push_back(argument.c_str());
  }
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_command_line(static_cast<int>(argv.size()), argv.data(), commands);
  std::fflush(nullptr);
  Outcome outcome{.code = code, .out = testing::internal::GetCapturedStdout(), .err = {}};
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

// An admin port on a thread of its own that answers what `handler` says.
class AdminPort {
 public:
  explicit AdminPort(http::ApiHandler handler)
      : loop_(std::move(*net::Loop::create())), server_(*loop_, {}, std::move(handler)) {
    const auto address = server_.listen(*net::SocketAddress::parse("127.0.0.1:0"));
    url_ = address ? "http://" + address->to_string() : address.error().message;
    thread_ = std::jthread([this] { loop_->run(); });
  }
  AdminPort(const AdminPort&) = delete;
  AdminPort& operator=(const AdminPort&) = delete;
  ~AdminPort() {
    loop_->post([this] { tasks_.spawn(end()); });
    thread_.join();
  }
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  net::Task<> end() {
    co_await server_.drain(loop_->now() + std::chrono::seconds(1));
    loop_->stop();
  }
  std::unique_ptr<net::Loop> loop_;
  http::ApiServer server_;
  net::Scope tasks_;
  std::string url_;
  std::jthread thread_;
};

}  // namespace flotilla::app
