// shop: every sample service of the demo in one program; --service says which one this process is.
#include <csignal>
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/http/api_server.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/net/signals.hpp"
#include "registration.hpp"
#include "roles.hpp"

namespace {

using flotilla::Result;
using flotilla::net::Loop;
using flotilla::net::SocketAddress;
using flotilla::net::Task;
using namespace std::chrono_literals;

struct Options {
  std::string service;
  std::uint16_t port = 0;
  std::string consul;
  std::string gateway;
  std::string data;
};

constexpr auto kDrain = 5s;

// "http://127.0.0.1:8500" as an address; the demo needs no names.
Result<SocketAddress> address_of(std::string url) {
  constexpr std::string_view scheme = "http://";
  constexpr std::string_view local = "localhost";
  std::string_view rest = url;
  rest.remove_prefix(rest.starts_with(scheme) ? scheme.size() : 0);
  if (rest.starts_with(local)) {
    return SocketAddress::parse(fmt::format("127.0.0.1{}", rest.substr(local.size())));
  }
  return SocketAddress::parse(rest);
}

// One running service: a server that can stop and start listening, and its registration.
class Shop {
 public:
  Shop(Loop& loop, shop::Service& service, SocketAddress address)
      : loop_(loop), service_(service), address_(address) {
    service_.fault().on_refuse([this](flotilla::Duration how_long) {
      if (!refusing_) {
        refusing_ = true;
        tasks_.spawn(refuse(how_long));
      }
    });
  }

  Result<SocketAddress> listen() {
    server_ = std::make_unique<flotilla::http::ApiServer>(
        loop_, flotilla::http::ServerLimits{}, [this](flotilla::http::Request request, SocketAddress) {
          return service_.handle(std::move(request));
        });
    auto listening = server_->listen(address_);
    if (listening) {
      address_ = *listening;  // port 0 has become a real one
    }
    return listening;
  }

  void keep_registered(const shop::Registration& registration) {
    registration_ = registration;
    tasks_.spawn(shop::keep_registered(loop_, registration));
  }

  // Deregisters first, so that nobody is sent here any more, then finishes what is being answered.
  Task<> stop() {
    if (registration_) {
      co_await shop::deregister(loop_, *registration_);
    }
    co_await server_->drain(flotilla::saturating_add(loop_.now(), kDrain));
    loop_.stop();
  }

 private:
  Task<> refuse(flotilla::Duration how_long) {
    co_await flotilla::net::sleep_for(loop_, 50ms);  // the answer to the order goes out first
    co_await server_->drain(loop_.now());
    co_await flotilla::net::sleep_for(loop_, how_long);
    if (auto again = listen(); !again) {
      fmt::print(stderr, "shop: {}\n", again.error().message);
      loop_.stop();
    }
    refusing_ = false;
  }

  Loop& loop_;
  shop::Service& service_;
  SocketAddress address_;
  std::unique_ptr<flotilla::http::ApiServer> server_;
  std::optional<shop::Registration> registration_;
  bool refusing_ = false;
  flotilla::net::Scope tasks_;
};

std::optional<SocketAddress> optional_address(const std::string& url, std::string_view option, bool& wrong) {
  if (url.empty()) {
    return std::nullopt;
  }
  auto address = address_of(url);
  if (!address) {
    fmt::print(stderr, "shop: --{} {}: {}\n", option, url, address.error().message);
    wrong = true;
    return std::nullopt;
  }
  return *address;
}

int run(const Options& options) {
  auto role = shop::find_role(options.service);
  bool wrong = !role.has_value();
  if (wrong) {
    fmt::print(stderr, "shop: there is no service '{}'\n", options.service);
  }
  const auto registry = optional_address(options.consul, "consul", wrong);
  const auto gateway = optional_address(options.gateway, "gateway", wrong);
  if (wrong) {
    return 2;
  }
  flotilla::net::block_signals({SIGINT, SIGTERM});
  auto loop = Loop::create();
  auto store = shop::Store::open(options.data);
  if (!loop || !store) {
    fmt::print(stderr, "shop: {}\n", loop ? store.error().message : loop.error().message);
    return 1;
  }
  const std::string name = role->name == "monolith" ? "monolith" : fmt::format("{}-service", role->name);
  const auto wanted = SocketAddress::from_ip("127.0.0.1", options.port);
  const std::string id = fmt::format("{}-{}", name, options.port);
  shop::Service service(**loop, std::move(*role), id, std::move(*store), gateway);
  Shop shop(**loop, service, *wanted);
  const auto listening = shop.listen();
  if (!listening) {
    fmt::print(stderr, "shop: {}\n", listening.error().message);
    return 1;
  }
  flotilla::net::Scope stopping;
  bool stop_asked = false;
  auto signals = flotilla::net::SignalSource::open(**loop, {SIGINT, SIGTERM}, [&](int) {
    if (!std::exchange(stop_asked, true)) {
      stopping.spawn(shop.stop());
    }
  });
  if (!signals) {
    fmt::print(stderr, "shop: {}\n", signals.error().message);
    return 1;
  }
  fmt::print(stderr, "shop: {} serves http://{}\n", id, listening->to_string());
  (*loop)->post([&] {
    if (registry) {
      shop.keep_registered({.registry = *registry, .name = name, .id = id, .service = *listening});
    }
  });
  (*loop)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "The sample services of Flotilla's demo: user, order, payment, shipping, notification, "
      "recommendation, monolith.");
  Options options;
  app.add_option("--service", options.service, "which service to be")->required();
  app.add_option("--port", options.port, "port on 127.0.0.1")->required();
  app.add_option("--consul", options.consul, "registry to register with, as http://127.0.0.1:8500");
  app.add_option("--gateway", options.gateway, "where other services are reached, as http://127.0.0.1:8000");
  app.add_option("--data", options.data, "file that keeps the state over a restart");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(options);
}
