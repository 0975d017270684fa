"""The sample order service as a process of its own: however a charge ends, and whoever is killed, a repeated order is
the same order, charged once."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from kit import PROGRAM, Answer, Backend, ask, case, check, check_equal, main, wait_until

SHOP = pathlib.Path(PROGRAM).parent / "shop"
ORDER, PAYMENT = 21800, 21801
MUG = {"user_id": "125", "items": ["mug"], "total": 8.50}


class Payment(Backend):
    """Stands for the gateway and the payment service behind it: charges every order once. `lose` makes it charge and
    then break the connection, `hang` makes it charge and never answer."""

    def __init__(self):
        self.charged = {}  # amounts, by order
        self.keys = []
        self.lose = self.hang = False
        super().__init__(PAYMENT, "payment", self.charge)

    def charge(self, request):
        body = json.loads(request.body)
        self.keys.append(request.get("Idempotency-Key"))
        status = 200 if body["order"] in self.charged else 201
        self.charged[body["order"]] = body["amount"]
        return Answer(status, {"status": "charged"}, die_after=0 if self.lose else None, hang=self.hang)


class OrderService:
    def __init__(self, data=None):
        arguments = ["--data", str(data)] if data else []
        self.process = subprocess.Popen([SHOP, "--service", "order", "--port", str(ORDER), "--gateway",
                                         f"http://127.0.0.1:{PAYMENT}", *arguments], stderr=subprocess.DEVNULL)
        wait_until(self._healthy, "the order service is up")

    def _healthy(self):
        check(self.process.poll() is None, f"the order service ended with {self.process.returncode}")
        try:
            return ask(ORDER, "GET", "/health").status == 200
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


def order(key=None, body=None):
    fields = [("Idempotency-Key", key)] if key else []
    return ask(ORDER, "POST", "/orders", fields, json.dumps(body or MUG).encode())


def orders():
    return ask(ORDER, "GET", "/orders?user_id=125").json()


@case
def an_order_is_charged_and_repeats_its_answer(folder):
    with Payment() as payment, OrderService():
        first = order("k1")
        check_equal((first.status, first.json()["status"]), (201, "paid"), "the order")
        again = order("k1")
        check_equal((again.status, again.json()), (201, first.json()), "the repeat")
        check_equal(len(payment.keys), 1, "charges asked for")
        check(order("k2").json()["order_id"] != first.json()["order_id"], "another key is the same order")


@case
def a_repeat_after_a_charge_of_unknown_end_is_the_same_order(folder):
    with Payment() as payment, OrderService():
        payment.lose = True
        check_equal(order("k1").status, 503, "the order whose charge was lost")
        payment.lose = False
        check_equal(order("k1").status, 201, "its repeat")
        check_equal([kept["status"] for kept in orders()], ["paid"], "orders")
        check_equal((len(payment.charged), len(payment.keys), len(set(payment.keys))), (1, 2, 1),
                    "orders charged, charges asked for, keys of charges")


@case
def a_repeat_with_another_body_is_refused(folder):
    with Payment() as payment, OrderService():
        payment.lose = True
        check_equal(order("k1").status, 503, "the order whose charge was lost")
        payment.lose = False
        reused = order("k1", {**MUG, "total": 9.50})
        check_equal((reused.status, reused.json()["error"]), (422, "key-reused"), "the same key for more money")
        check_equal(list(payment.charged.values()), [8.5], "charges")


@case
def a_crash_while_charging_leaves_one_order_to_be_repeated(folder):
    """Also when another request was answered, and made lasting what was there, in the meantime."""
    data = folder / "order.data"
    with Payment() as payment:
        payment.hang = True
        kill_while_charging(payment, data)
        payment.hang = False
        with OrderService(data):
            check_equal([kept["status"] for kept in orders()], ["pending"], "orders after the crash")
            check_equal(order("k1").status, 201, "the repeat")
            check_equal([kept["status"] for kept in orders()], ["paid"], "orders")
            check_equal((len(payment.charged), len(set(payment.keys))), (1, 1), "orders charged, keys of charges")


def kill_while_charging(payment, data):
    with OrderService(data) as service:
        left = threading.Thread(target=lambda: expect_no_answer("k1"))
        left.start()
        wait_until(lambda: payment.keys, "the charge is asked for")
        check_equal(ask(ORDER, "POST", "/reservations", (), b'{"order": "other", "items": []}').status, 201, "another")
        service.kill()
        left.join()


def expect_no_answer(key):
    try:
        order(key)
    except Exception:  # killed while it was asked
        pass


@case
def a_restart_without_data_repeats_no_order_id(folder):
    """An id given twice would find the first one's charge, and be taken for paid."""
    with Payment() as payment:
        with OrderService():
            first = order().json()["order_id"]
            keyed = order("k1").json()["order_id"]
        with OrderService():
            check(order().json()["order_id"] != first, f"{first} was given twice")
            check_equal(order("k1").json()["order_id"], keyed, "the repeat's id")
            check_equal(len(payment.charged), 3, "orders charged")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="flotilla-e2e-") as name:
        sys.exit(main(pathlib.Path(name)))
