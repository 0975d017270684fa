// A gateway on a loop of its own, before a service whose every byte a test scripts.
//
// For: gateway tests. One loop carries the client, the gateway and the service, so a test decides the order
// of events by waiting for them, never by sleeping. Ownership: a Rig owns everything; scripts borrow it.
// Threads: the test's. Limits: every wait ends after kPatience, and then the test fails by what it reads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/gateway/handler.hpp"
#include "flotilla/http/server.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::gateway {

inline constexpr Duration kPatience = std::chrono::seconds(5);

// A service that answers as its script says.
class ScriptedService {
 public:
  // One request that has arrived: its head, and whatever came behind it.
  struct Call {
    net::Channel& channel;
    std::string head;
    std::string rest;
    int number = 1;  // of all requests to this service, from 1

    // Reads on until `rest` has `size` bytes. False: the connection ended.
    net::Task<bool> read(std::size_t size) {
      while (rest.size() < size) {
        const auto bytes = co_await channel.recv();
        if (!bytes || bytes->empty()) {
          co_return false;
        }
        rest.append(*bytes);
      }
      co_return true;
    }
  };
  // Answers; true if the connection carries another request, false to close it.
  using Script = std::function<net::Task<bool>(Call&)>;

  ScriptedService(net::Loop& loop, Script script) : script_(std::move(script)) {
    auto listener =
        net::Listener::open(loop, *net::SocketAddress::parse("127.0.0.1:0"), 100,
                            [this](net::Channel channel) { tasks_.spawn(serve(std::move(channel))); });
    FLOTILLA_ASSERT(listener.has_value());
    listener_ = std::move(*listener);
  }

  [[nodiscard]] std::uint16_t port() const { return listener_->address().port(); }
  [[nodiscard]] const std::vector<std::string>& heads() const { return heads_; }
  [[nodiscard]] int connections() const { return connections_; }
  // Set when a request arrived, and when a connection ended.
  [[nodiscard]] net::Event& changed() { return changed_; }
  [[nodiscard]] int ended() const { return ended_; }

 private:
  net::Task<> serve(net::Channel channel) {
    ++connections_;
    channel.set_deadline(channel.loop().now() + kPatience);
    std::string received;
    for (bool more = true; more;) {
      std::size_t end = received.find("\r\n\r\n");
      if (end == std::string::npos) {
        const auto bytes = co_await channel.recv();
        if (!bytes || bytes->empty()) {
          break;
        }
        received.append(*bytes);
        continue;
      }
      end += 4;
      heads_.push_back(received.substr(0, end));
      changed_.set();
      Call call{channel, received.substr(0, end), received.substr(end), static_cast<int>(heads_.size())};
      more = co_await script_(call);
      received.clear();
    }
    (void)co_await channel.flush();
    ++ended_;
    changed_.set();
  }

  Script script_;
  std::vector<std::string> heads_;  // of all requests
  int connections_ = 0;
  int ended_ = 0;
  net::Event changed_;
  std::unique_ptr<net::Listener> listener_;
  net::Scope tasks_;
};

// What a client got: bytes until the connection ended, and whether it ended with a reset.
struct Got {
  std::string bytes;
  bool reset = false;

  [[nodiscard]] std::string_view status() const { return std::string_view(bytes).substr(0, 12); }
  [[nodiscard]] std::string_view head() const {
    const std::size_t end = bytes.find("\r\n\r\n");
    return std::string_view(bytes).substr(0, end == std::string::npos ? bytes.size() : end + 4);
  }
  [[nodiscard]] std::string_view body() const { return std::string_view(bytes).substr(head().size()); }
  [[nodiscard]] bool has(std::string_view text) const { return bytes.find(text) != std::string::npos; }
};

class Rig {
 public:
  struct Setup {
    call::ServiceConfig
        service;              // "backend", which all paths go to; gets the script's address unless it has one
    bool discovered = false;  // it has no address: the directory, which is empty, would know it
    ScriptedService::Script script;
    call::ServiceConfig other;  // "other", for a service fallback, if other_script is set
    ScriptedService::Script other_script;
    std::vector<std::string> trusted;
    telemetry::AccessLog* access_log = nullptr;
    std::optional<ActionConfig> action;  // instead of the proxying
    std::string path = "/**";            // of the route
    Named named;                         // what it may name
    saga::Sagas* sagas = nullptr;
    call::DurableQueue* later = nullptr;
    cqrs::ViewReader* views = nullptr;
    cqrs::CommandRunner* commands = nullptr;
  };

  explicit Rig(Setup setup);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // Runs `test` on the loop until it ends.
  void run(std::function<net::Task<>(Rig&)> test);

  [[nodiscard]] net::Loop& loop() { return *loop_; }
  [[nodiscard]] net::SocketAddress address() const { return address_; }
  [[nodiscard]] ScriptedService& service() { return *service_; }
  [[nodiscard]] call::Service& policies() { return *services_.front(); }
  [[nodiscard]] call::ServiceCounters& counters() { return services_.front()->metrics().of(0); }
  [[nodiscard]] RouteCounters& route() { return view_->gateway->routes[0].metrics->of(0); }

  // Sends `request` over a new connection and reads until it ends.
  net::Task<Got> ask(std::string request);

 private:
  // Port 0: leave the service without an address.
  void add(call::ServiceTable& table, call::ServiceConfig config, std::uint16_t port);

  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Resolver> resolver_;
  discovery::Directory directory_;
  http::ObjectPool<http::detail::Answer> answers_;
  std::unique_ptr<ScriptedService> service_;
  std::unique_ptr<ScriptedService> other_;
  std::vector<std::shared_ptr<call::Service>> services_;
  std::unique_ptr<call::Caller> caller_;
  std::shared_ptr<GatewayView> view_;
  std::unique_ptr<GatewayHandler> handler_;
  std::unique_ptr<http::Server> server_;
  net::SocketAddress address_;
};

// The defaults, but one attempt.
call::ServiceConfig without_retries();
// A service that answers everything with `answer` and keeps the connection.
ScriptedService::Script always(std::string answer);
// "HTTP/1.1 STATUS X" with a Content-Length and `body`.
std::string answer(int status, std::string_view body, std::string_view extra = {});
std::string get(std::string_view target, std::string_view extra = {});
std::string post(std::string_view target, std::string_view body, std::string_view extra = {});

}  // namespace flotilla::gateway
