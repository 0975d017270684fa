"""The tutorial's choreographed order, and its fallback queue, with the services as programs of their own (guide_shop.py).

order.created -> payment -> payment.success | payment.failed -> the order is cancelled; a charge while payment is away is pending, and
made later. Services and platform are killed on the way.
"""
import json
import pathlib
import subprocess
import sys

from kit import Flotilla, ask, case, check, check_equal, main, wait_until

ADMIN, API, GATEWAY, ORDER, PAYMENT = 22780, 22781, 22782, 22783, 22784

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  order-service: {{ url: "http://127.0.0.1:{ORDER}" }}
  payment-service:
    url: http://127.0.0.1:{PAYMENT}
    circuit_breaker: {{ failures: 5, reset: 300ms }}
    fallback: {{ queue: {{ name: pending-charges, idempotent: key, drain: 100/s }}, respond: {{ status: 202, body: {{ status: pending, message: Will charge later }} }} }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - POST /orders: order-service
      - POST /charge: payment-service
      - GET /users/{{user_id}}/orders: {{ view: user_orders, key: "{{user_id}}" }}
topics: {{ order.created: {{ key: .order_id }}, payment.success: {{}}, payment.failed: {{}} }}
views:
  user_orders:
    from: [order.created, payment.success, payment.failed]
    key: .user_id
    row: .order_id
    fold: '(. // {{}}) + $data + {{status: $event.type}}'
"""


class Service:
    def __init__(self, role, port, folder):
        self.role, self.port, self.folder = role, port, folder
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("guide_shop.py")), self.role, str(self.port),
                                         str(API)], cwd=self.folder)
        path = "/orders" if self.role == "order" else "/charges"

        def answers():
            check(self.process.poll() is None, f"the {self.role} service has ended")
            try:
                return ask(self.port, "GET", path).status == 200
            except OSError:
                return False
        wait_until(answers, f"the {self.role} service answers")

    def kill(self):
        self.process.kill()
        self.process.wait()


def order(name, user, total):
    answer = ask(GATEWAY, "POST", "/orders", [("Content-Type", "application/json")],
                 json.dumps({"order_id": name, "user_id": user, "total": total}).encode())
    check_equal((answer.status, answer.json()), (200, {"order_id": name, "status": "pending"}), "the order's answer")


def view(user):
    answer = ask(GATEWAY, "GET", f"/users/{user}/orders")
    return {row["order_id"]: row["status"] for row in answer.json()} if answer.status == 200 else {}


def await_view(user, **wanted):
    wait_until(lambda: view(user) == wanted, f"the view of {user} is {wanted}")


def book(port, path):
    return ask(port, "GET", path).json()


@case
def an_order_is_charged_and_one_is_refused_and_cancelled(*_):
    order("o-1", "ann", 99.90)
    order("o-2", "ann", 20000)
    await_view("ann", **{"o-1": "payment.success", "o-2": "payment.failed"})
    wait_until(lambda: book(ORDER, "/orders")["o-2"]["status"] == "canceled", "the refused order is cancelled")
    check_equal(book(ORDER, "/orders")["o-1"]["status"], "pending", "the other one")
    check_equal(book(PAYMENT, "/charges")["ann/99.9"], 1, "charges")


@case
def an_order_waits_for_payment_to_come_back(_, payment, __):
    payment.kill()
    order("o-3", "bob", 5)
    await_view("bob", **{"o-3": "order.created"})
    payment.start()
    await_view("bob", **{"o-3": "payment.success"})


@case
def a_cancellation_waits_for_the_order_service_to_come_back(flotilla, payment, orders):
    payment.kill()
    order("o-4", "cid", 30000)
    orders.kill()
    payment.start()
    await_view("cid", **{"o-4": "payment.failed"})
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    orders.start()
    wait_until(lambda: book(ORDER, "/orders")["o-4"]["status"] == "canceled", "the order is cancelled")


@case
def a_charge_is_pending_while_payment_is_away_and_made_once(_, payment, __):
    payment.kill()
    body = json.dumps({"amount": 99.99}).encode()
    answer = ask(GATEWAY, "POST", "/charge", [("Content-Type", "application/json"), ("Idempotency-Key", "charge-1")], body)
    check_equal((answer.status, answer.json()), (202, {"status": "pending", "message": "Will charge later"}), "the answer")
    payment.start()
    wait_until(lambda: book(PAYMENT, "/charges").get("walk-in/99.99") == 1, "the charge is made")
    wait_until(lambda: ask(API, "GET", "/v1/queues/pending-charges?state=done").json()["items"], "the queue says so")
    check_equal(book(PAYMENT, "/charges")["walk-in/99.99"], 1, "charges")


if __name__ == "__main__":
    with Flotilla(CONFIG, ADMIN) as program:
        services = []
        try:
            services = [Service("payment", PAYMENT, program.folder.name)]
            services.append(Service("order", ORDER, program.folder.name))
            sys.exit(main(program, *services))
        finally:
            for each in services:
                each.kill()
