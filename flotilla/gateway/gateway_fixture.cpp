#include "flotilla/gateway/gateway_fixture.hpp"

#include <fmt/format.h>

namespace flotilla::gateway {

Rig::Rig(Setup setup) {
  loop_ = std::move(*net::Loop::create());
  resolver_ = std::move(*net::Resolver::create(*loop_));
  auto table = std::make_shared<call::ServiceTable>();
  service_ = std::make_unique<ScriptedService>(*loop_, std::move(setup.script));
  setup.service.name = ServiceName("backend");
  add(*table, std::move(setup.service), setup.discovered ? 0 : service_->port());
  if (setup.other_script) {
    other_ = std::make_unique<ScriptedService>(*loop_, std::move(setup.other_script));
    setup.other.name = ServiceName("other");
    add(*table, std::move(setup.other), other_->port());
  }
  GatewayConfig config;
  config.name = "front";
  RouteConfig route;
  route.match.path = setup.path;
  route.action = setup.action.value_or(ProxyConfig{ServiceName("backend"), "", false, ""});
  config.routes.push_back(route);
  net::CidrSet trusted;
  for (const std::string& block : setup.trusted) {
    FLOTILLA_ASSERT(trusted.add(block).has_value());
  }
  auto gateway = compile_gateway(config, setup.named, trusted, 1, nullptr);
  FLOTILLA_ASSERT(gateway.has_value());
  view_ = make_view(*gateway, table, 0, setup.sagas, setup.views, setup.commands);
  caller_ = std::make_unique<call::Caller>(*loop_, *resolver_, 0, 1);
  caller_->set_later(setup.later);
  handler_ = std::make_unique<GatewayHandler>(*caller_, view_, Random(1), setup.access_log);
  http::ServerLimits limits;
  limits.body = std::uint64_t{64} << 20U;
  server_ = std::make_unique<http::Server>(*loop_, limits, *handler_);
  address_ = *server_->listen(*net::SocketAddress::parse("127.0.0.1:0"));
}

Rig::~Rig() = default;

void Rig::add(call::ServiceTable& table, call::ServiceConfig config, std::uint16_t port) {
  if (config.urls.empty() && port != 0) {
    config.urls = {{"127.0.0.1", port, ""}};
  }
  auto service = call::Service::create(config, 1, net::monotonic_now(), 1, nullptr);
  FLOTILLA_ASSERT(service.has_value());
  auto instances = std::make_shared<call::InstanceSet>(*loop_, directory_, answers_, 0, 1);
  instances->follow(**service);
  services_.push_back(*service);
  table.add({*service, instances, &(*service)->metrics().of(0)});
}

void Rig::run(std::function<net::Task<>(Rig&)> test) {
  net::Scope scope;
  const auto main = [](Rig& rig, std::function<net::Task<>(Rig&)>& body) -> net::Task<> {
    co_await body(rig);
    rig.loop().stop();
  };
  loop_->post([&] { scope.spawn(main(*this, test)); });
  loop_->run();
}

net::Task<Got> Rig::ask(std::string request) {
  auto channel = co_await net::connect(*loop_, address_, loop_->now() + kPatience);
  FLOTILLA_ASSERT(channel.has_value());
  channel->set_deadline(loop_->now() + kPatience);
  channel->send(request);
  Got got;
  for (;;) {
    const auto bytes = co_await channel->recv();
    if (!bytes) {
      got.reset = bytes.error() == net::IoError::reset;
      co_return got;
    }
    if (bytes->empty()) {
      co_return got;
    }
    got.bytes.append(*bytes);
  }
}

call::ServiceConfig without_retries() {
  call::ServiceConfig config;
  config.retry.attempts = 1;
  return config;
}

ScriptedService::Script always(std::string text) {
  return [text = std::move(text)](ScriptedService::Call& call) -> net::Task<bool> {
    call.channel.send(text);
    co_return true;
  };
}

std::string answer(int status, std::string_view body, std::string_view extra) {
  return fmt::format("HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n{}", status, extra, body.size(), body);
}

std::string get(std::string_view target, std::string_view extra) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: front\r\nConnection: close\r\n{}\r\n", target, extra);
}

std::string post(std::string_view target, std::string_view body, std::string_view extra) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: front\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{}",
                     target, extra, body.size(), body);
}

}  // namespace flotilla::gateway
