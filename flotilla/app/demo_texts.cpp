#include "flotilla/app/demo_texts.hpp"

#include <utility>

#include <fmt/format.h>

namespace flotilla::app {
namespace {

// @NAME@ stands for a port: the file's own braces leave no room for a format string.
constexpr std::string_view kFile = R"yaml(flotilla: 1
admin:    { listen: 127.0.0.1:@ADMIN@ }
api:      { listen: 127.0.0.1:@API@ }
registry: { listen: 127.0.0.1:@REGISTRY@ }
@STORES@
defaults:
  timeout: 5s
  circuit_breaker: { failures: 5, reset: 2s }

services:
  user-service: {}
  order-service: { bulkhead: { concurrent: 200 } }
  payment-service:
    timeout: 1s
    bulkhead: { concurrent: 50, queue: 50, wait: 100ms }
    fallback:
      queue: { name: pending-charges, key: .order, idempotent: key, drain: 50/s, timeout: 1s, retry: { attempts: 50, backoff: 100ms..1s } }
      respond: { status: 202, body: { status: pending, message: Will charge later } }
  shipping-service: {}
  notification-service: {}
  recommendation-service: {}
  monolith: {}

gateways:
  public:
    listen: 127.0.0.1:@GATEWAY@
    routes:
      - GET /users/{id}: user-service
      - POST /orders: { saga: place-order, wait: 2s }
      - GET /orders: order-service
      - GET /orders/{id}: order-service
      - POST /commands/create-order: { command: create-order }
      - GET /users/{user_id}/orders: { view: user_orders, key: "{user_id}" }
      - POST /charges: payment-service
      - GET /payments: payment-service
      - GET /api/dashboard/user/{id}: { compose: dashboard }
      - match: { path: /legacy/** }
        proxy: { service: monolith, strip_prefix: /legacy }
  mobile:
    listen: 127.0.0.1:@MOBILE@
    routes:
      - GET /dashboard/{id}: { compose: dashboard, only: [user, orders], shape: "{user: (.user|{id,name}), order_count: (.orders|length)}" }

compositions:
  dashboard:
    user:            { call: "GET user-service/users/{id}" }
    orders:          { call: "GET order-service/orders?user_id={id}", optional: true, default: [], timeout: 300ms }
    payments:        { call: "GET payment-service/payments?user_id={id}", optional: true, default: [] }
    notifications:   { call: "GET notification-service/notifications?user_id={id}", optional: true, default: [] }
    recommendations: { call: "GET recommendation-service/recs?user_id={id}", optional: true, default: [] }

sagas:
  place-order:
    steps:
      - reserve:
          action: POST order-service/reservations
          body: "{order: .saga.id, user_id: .input.user_id, items: .input.items, total: .input.total}"
          undo: DELETE order-service/reservations/{.saga.id}
      - charge:
          action: POST payment-service/charges
          body: "{order: .saga.id, user_id: .input.user_id, amount: .input.total}"
          undo: { call: POST payment-service/refunds, body: "{order: .saga.id, reason: .saga.cause.reason}" }
          status: GET payment-service/charges/by-order/{.saga.id}
          timeout: 1s
          retry: { attempts: 20, backoff: 100ms..1s }
          idempotent: key
      - ship:   { kind: pivot, action: POST shipping-service/shipments, body: "{order: .saga.id}", idempotent: key }
      - notify: { kind: retriable, action: POST notification-service/notifications, body: "{user: .input.user_id}" }
    result: "{order_id: .saga.id, tracking: .steps.ship.tracking}"

aggregates:
  order:
    evolve: 'if $event.type == "order.created" then $data + {status: "pending"} else . end'
    commands:
      create-order:
        id: .order_id
        decide: 'if . then {error: {code: "exists", message: "the order exists"}} else [{type: "order.created", data: $command}] end'

topics:
  order.created: { key: .order_id }
  payment.success: { key: .order_id }
  payment.failed: { key: .order_id }

subscriptions:
  charge-new-orders:
    topic: order.created
    deliver: POST payment-service/events/order-created
    order_by: key
    retry: { attempts: 20, backoff: 100ms..5s }
    on_success: payment.success
    on_failure: payment.failed
  note-new-orders: { topic: order.created, deliver: POST order-service/events/order-created, order_by: key }
  note-paid-orders: { topic: payment.success, deliver: POST order-service/events/payment-success, order_by: key }
  cancel-unpaid-orders: { topic: payment.failed, deliver: POST order-service/events/payment-failed, order_by: key }

choreographies:
  order:
    correlate: .order_id
    start: order.created
    expect:
      - { after: order.created, one_of: [payment.success, payment.failed], within: 1m }
    end: { ok: [payment.success], undone: [payment.failed] }

views:
  user_orders:
    from: [order.created, payment.success, payment.failed]
    key: .user_id
    row: .order_id
    fold: '(. // {}) + $data + {status: $event.type}'
@CACHE@)yaml";

constexpr std::string_view kGuide = R"(
A tour, in another terminal (docs/demo.md explains each step; flotilla demo --tour plays it):

  curl http://127.0.0.1:@GATEWAY@/users/123                  a lookup; the gateway found user-service by name
  curl http://127.0.0.1:@GATEWAY@/api/dashboard/user/123     five services in one answer
  curl http://127.0.0.1:@MOBILE@/dashboard/123              the mobile shape of it
  curl -X POST http://127.0.0.1:@GATEWAY@/orders -d '{"user_id":"124","items":["mug"],"total":8.5}'       an order ships
  curl -X POST http://127.0.0.1:@GATEWAY@/orders -d '{"user_id":"124","items":["car"],"total":20000}'     refused, undone
  flotilla sagas --admin http://127.0.0.1:@ADMIN@            both, as transactions across four services
  curl http://127.0.0.1:@GATEWAY@/commands/create-order -d '{"order_id":"c-1","user_id":"128","total":24.9}'    an order as a command, and events
  curl http://127.0.0.1:@GATEWAY@/users/128/orders           the view: what has become of it
  flotilla trace c-1 --admin http://127.0.0.1:@ADMIN@        its events, what caused which, and who was told
  curl -X POST http://127.0.0.1:@PAYMENT@/_control -d '{"hang":true}'     payment hangs;
  for i in 1 2 3 4 5 6; do curl -X POST http://127.0.0.1:@GATEWAY@/charges -d '{"order":"a","amount":1}'; done
  flotilla breakers --admin http://127.0.0.1:@ADMIN@         its breaker is open; lookups are as fast as before
  flotilla queues show pending-charges --admin http://127.0.0.1:@ADMIN@    charges that are made later
  curl -X POST http://127.0.0.1:@PAYMENT@/_control -d '{}'   it recovers, a probe closes the breaker
  curl http://127.0.0.1:@ADMIN@/metrics                    what happened, in numbers

Ctrl-C ends everything.
)";

void replace_all(std::string& text, std::string_view name, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += by.size()) {
    text.replace(at, name.size(), by);
  }
}

std::string with_ports(std::string_view text, const DemoPorts& ports) {
  std::string filled(text);
  for (const auto& [name, port] : {std::pair{"@ADMIN@", ports.admin},
                                   {"@API@", ports.api},
                                   {"@REGISTRY@", ports.registry},
                                   {"@GATEWAY@", ports.gateway},
                                   {"@MOBILE@", ports.mobile},
                                   {"@REDIS@", ports.redis},
                                   {"@PAYMENT@", ports.service(2)}}) {
    replace_all(filled, name, fmt::to_string(port));
  }
  return filled;
}

}  // namespace

std::string demo_file(const DemoPorts& ports, bool redis) {
  std::string file(kFile);
  replace_all(file, "@STORES@", redis ? "stores:   { views: \"redis://127.0.0.1:@REDIS@\" }\n" : "");
  replace_all(file, "@CACHE@", redis ? "    cache: 1h\n" : "");
  return with_ports(file, ports);
}
std::string demo_guide(const DemoPorts& ports) { return with_ports(kGuide, ports); }

}  // namespace flotilla::app
