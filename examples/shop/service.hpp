// One sample service: its routes, its state, and how it answers a request.
//
// For: every role of the shop. A role is a table of routes (roles.hpp); the monolith has the routes of three.
// Around a handler stand, outermost first: /health and /_control, the ordered misbehaviour (fault.hpp), the
// Idempotency-Key (an answer is kept with the changes it stands for and replayed; the same key with another
// body is refused; a saga's key goes through the barrier of docs/barrier.md), the commit of what the handler
// changed. A handler that waits for something commits what it has changed before, on purpose: otherwise
// another request's commit would make half of its work last. Ownership: owns its store. Threads: its loop's.
// Limits: the server's (bodies of 10 MiB).
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fault.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/address.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/core/barrier.hpp"
#include "store.hpp"

namespace shop {

struct Answer {
  std::uint16_t status = 200;
  flotilla::json::Value body;
  std::string_view outcome = {};  // the header Saga-Outcome, a literal; empty without one
  bool again = false;             // with Retry-After
};
// {"error": code, "message": message}
[[nodiscard]] Answer refuse(std::uint16_t status, std::string_view code, std::string_view message);

// A request that found its route.
struct Call {
  std::vector<std::string> parameters;  // what stood for the {names}, decoded
  std::string query;
  flotilla::json::Value body;        // null if there was none
  std::string idempotency_key;       // empty if there was none
  flotilla::http::Fields passed_on;  // traceparent and the like, for calls made on behalf of this one
};

class Service;
using RouteHandler = flotilla::net::Task<Answer> (*)(Service& service, const Call& call);

struct Route {
  std::string_view method;
  std::string_view path;  // "/users/{id}"
  RouteHandler handler;
};

struct Role {
  std::string_view name;  // "user"; registered as "user-service"
  std::vector<Route> routes;
  void (*seed)(Store& store);  // first rows of an empty store
};

class Service {
 public:
  // `gateway` is where calls to other services go (Flotilla); none: such calls fail.
  Service(flotilla::net::Loop& loop, Role role, std::string instance, Store store,
          std::optional<flotilla::net::SocketAddress> gateway);

  [[nodiscard]] flotilla::net::Task<flotilla::http::Response> handle(flotilla::http::Request request);

  // For route handlers.
  [[nodiscard]] flotilla::net::Loop& loop() noexcept { return loop_; }
  [[nodiscard]] Store& store() noexcept { return store_; }
  // Makes the changes so far last; ends the process if the disk refuses.
  void commit();
  [[nodiscard]] const std::optional<flotilla::net::SocketAddress>& gateway() const noexcept {
    return gateway_;
  }
  [[nodiscard]] Fault& fault() noexcept { return fault_; }

 private:
  [[nodiscard]] flotilla::net::Task<Answer> dispatch(const flotilla::http::Request& request);
  [[nodiscard]] flotilla::net::Task<Answer> run_once(const Route& route, const Call& call,
                                                     const flotilla::http::Request& request);
  // Of a saga: once, and not after its undo.
  [[nodiscard]] flotilla::net::Task<Answer> run_step(const Route& route, const Call& call,
                                                     const flotilla::saga::BarrierKey& key);
  [[nodiscard]] flotilla::net::Task<Answer> run(const Route& route, const Call& call);

  flotilla::net::Loop& loop_;
  Role role_;
  std::string instance_;
  Store store_;
  std::optional<flotilla::net::SocketAddress> gateway_;
  Fault fault_;
  std::set<std::string> in_progress_;  // idempotency keys, and steps of sagas
};

}  // namespace shop
