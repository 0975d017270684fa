"""The guide's OrderSaga (reserve, charge, ship; a payment that fails releases the items), written in the file and met
by those who use it: a client of the gateway, a service, an operator at the command line."""
import concurrent.futures
import json
import subprocess
import sys

from kit import PROGRAM, Answer, Backend, Flotilla, Wire, ask, case, check, check_equal, check_problem, main, wait_until

PUBLIC, API, ADMIN, FIRST = 22300, 22301, 22302, 22310
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
api:   {{ listen: 127.0.0.1:{API} }}
services:
  order-service:    {{ url: "http://127.0.0.1:{FIRST}" }}
  payment-service:  {{ url: "http://127.0.0.1:{FIRST + 1}" }}
  shipping-service: {{ url: "http://127.0.0.1:{FIRST + 2}" }}
gateways:
  public:
    listen: 127.0.0.1:{PUBLIC}
    routes:
      - POST /orders: {{ saga: order-saga, wait: 5s }}
      - match: {{ path: /slow-orders, methods: [POST] }}
        saga: order-saga
sagas:
  order-saga:
    input: {{ schema: {{ type: object, required: [items, total], properties: {{ total: {{ type: number }} }} }} }}
    steps:
      - reserve: {{ action: POST order-service/reservations, body: "{{order: .saga.id, items: .input.items}}",
                   undo: "DELETE order-service/reservations/{{.saga.id}}" }}
      - charge:  {{ action: POST payment-service/charges, body: "{{order: .saga.id, amount: .input.total}}",
                   undo: {{ call: POST payment-service/refunds, body: "{{order: .saga.id}}" }} }}
      - ship:    {{ kind: pivot, action: POST shipping-service/shipments, body: "{{order: .saga.id}}", idempotent: key }}
    result: "{{status: \\"success\\", order_id: .saga.id}}"
  approved-order:
    steps:
      - approve: {{ wait: {{ signal: approved, within: 1h, else: abort }} }}
      - ship:    {{ action: POST shipping-service/shipments, body: "{{by: .steps.approve.by}}", undo: none, because: a test }}
"""
ORDER = {"items": ["book"], "total": 99.99}


class Shop:
    """The three services: ledgers that say what they did, and what the next one answers."""

    def __init__(self):
        names = ("order", "payment", "shipping")
        self.backends = {name: Backend(FIRST + i, name, self.behaviour(name)) for i, name in enumerate(names)}
        self.answers = {}  # by service, instead of 201

    def behaviour(self, name):
        def behave(request):
            if request.method == "DELETE" or request.target == "/refunds":
                return Answer(200, {"undone": True})
            return self.answers.get(name) or Answer(201, {"by": name})
        return behave

    def well(self):
        self.answers = {}
        for backend in self.backends.values():
            backend.forget()

    def did(self):
        """What was asked of each, in order: {service: ["METHOD PATH", ...]}, ids as ID."""
        return {name: [f"{r.method} {'/'.join('ID' if len(part) == 26 else part for part in r.target.split('/'))}"
                       for r in backend.requests] for name, backend in self.backends.items()}

    def stop(self):
        for backend in self.backends.values():
            backend.stop()


def order(body=None, key=None, path="/orders"):
    fields = [("Content-Type", "application/json")] + ([("Idempotency-Key", key)] if key else [])
    return ask(PUBLIC, "POST", path, fields, json.dumps(ORDER if body is None else body).encode())


def api(method, path, body=None, fields=()):
    with Wire(API) as wire:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{API}", f"Content-Length: {len(data)}",
                 *(f"{name}: {value}" for name, value in fields)]
        wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        return wire.response(method)


def command(*arguments):
    done = subprocess.run([PROGRAM, "sagas", *arguments, "--admin", f"http://127.0.0.1:{ADMIN}"], capture_output=True,
                          text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def states(saga):
    return {step["name"]: step["state"] for step in saga["steps"]}


def await_state(saga_id, state):
    return wait_until(lambda: (saga := api("GET", f"/v1/sagas/{saga_id}").json())["state"] == state and saga,
                      f"the saga is {state}")


@case
def an_order_succeeds(shop, _):
    shop.well()
    answer = order()
    saga = answer.json()
    check_equal((answer.status, saga["state"]), (200, "completed"), "status and state")
    check_equal(saga["result"], {"status": "success", "order_id": saga["id"]}, "the result")
    check_equal(states(saga), {"reserve": "done", "charge": "done", "ship": "done"}, "steps")
    check_equal(shop.did(), {"order": ["POST /reservations"], "payment": ["POST /charges"],
                             "shipping": ["POST /shipments"]}, "requests")
    check_equal(answer.get("Location"), f"/v1/sagas/{saga['id']}", "Location")
    charge = shop.backends["payment"].requests[0]
    check_equal(charge.json(), {"order": saga["id"], "amount": 99.99}, "the charge")
    check_equal((charge.get("Saga-Id"), charge.get("Saga-Step")), (saga["id"], "charge"), "Saga-Id and Saga-Step")


@case
def a_payment_that_fails_releases_the_items(shop, _):
    shop.well()
    shop.answers["payment"] = Answer(402, {"error": "card-declined"})
    answer = order()
    saga = answer.json()
    check_equal((answer.status, saga["state"]), (409, "compensated"), "status and state")
    check_equal((saga["cause"]["step"], saga["cause"]["status"]), ("charge", 402), "the cause")
    check_equal(states(saga), {"reserve": "undone", "charge": "refused", "ship": "never"}, "steps")
    check_equal(shop.did(), {"order": ["POST /reservations", "DELETE /reservations/ID"], "payment": ["POST /charges"],
                             "shipping": []}, "requests")


@case
def a_repeated_order_is_one_order(shop, _):
    shop.well()
    first, again = order(key='"o-1"').json(), order(key="o-1").json()
    check_equal(again, first, "the repeat")
    check_equal(len(shop.backends["payment"].requests), 1, "charges")
    check_problem(order({**ORDER, "total": 1}, key="o-1"), 422, "key-reused")
    # A service's keys are its own.
    other = api("POST", "/v1/sagas/order-saga?wait=5s", ORDER, [("Idempotency-Key", '"o-1"')])
    check(other.json()["id"] != first["id"], "the key of a service found a client's saga")


@case
def one_key_at_the_same_time_is_one_order(shop, _):
    shop.well()
    shop.answers["payment"] = Answer(201, {"by": "payment"}, delay=0.2)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: order(key="at-once"), range(20)))
    done = [answer for answer in answers if answer.status == 200]
    # Whoever asks before the first one is on disk is told to come again.
    check(done and all(a.status == 200 or (a.status == 409 and a.get("Retry-After")) for a in answers),
          [(a.status, a.body) for a in answers])
    check_equal(len({answer.json()["id"] for answer in done}), 1, "sagas")
    check_equal(len(shop.backends["payment"].requests), 1, "charges")
    return f"{len(done)} of 20 answered with it"


@case
def a_client_that_leaves_leaves_its_order_behind(shop, _):
    shop.well()
    shop.answers["payment"] = Answer(201, {"by": "payment"}, delay=0.2)
    with Wire(PUBLIC) as wire:
        wire.request("POST", "/orders", [], json.dumps(ORDER).encode())
        wait_until(lambda: shop.backends["payment"].requests, "payment is asked")
    wait_until(lambda: shop.backends["shipping"].requests, "it is shipped")
    check_equal(shop.backends["payment"].abandoned, 0, "charges given up")


@case
def what_is_no_order_starts_nothing(shop, _):
    shop.well()
    check_problem(order({"items": []}), 422, "invalid")
    check_problem(ask(PUBLIC, "POST", "/orders", (), b"{"), 400, "malformed")
    check_problem(ask(PUBLIC, "POST", "/orders", (), b'"' + b"x" * 262144 + b'"'), 413, "too-large")
    check_problem(api("POST", "/v1/sagas/order-sage", ORDER), 404, "not-found")
    check_equal(shop.did(), {"order": [], "payment": [], "shipping": []}, "requests")


@case
def a_client_that_does_not_wait_looks_later(shop, _):
    shop.well()
    answer = order(path="/slow-orders")
    check(answer.status in (200, 202), f"status {answer.status}")  # it may have ended already
    saga = await_state(answer.json()["id"], "completed")
    check_equal(saga["name"], "order-saga", "name")


@case
def services_list_and_count(shop, _):
    shop.well()
    for _ in range(3):
        order()
    page = api("GET", "/v1/sagas?name=order-saga&state=completed&limit=2").json()
    check_equal(len(page["items"]), 2, "items of a page")
    check(page["next"], "there is no next page")
    check(not any("steps" in item or "input" in item for item in page["items"]), f"a list shows payloads: {page}")
    rest = api("GET", f"/v1/sagas?name=order-saga&state=completed&limit=2&after={page['next']}").json()
    check(rest["items"][0]["id"] not in [item["id"] for item in page["items"]], "a page is repeated")
    counted = {(c["name"], c["state"]): c["count"] for c in api("GET", "/v1/sagas/count").json()["items"]}
    check(counted["order-saga", "completed"] >= 3, f"counts {counted}")
    check_problem(api("GET", "/v1/sagas?state=happy"), 422, "invalid")


@case
def an_operator_finds_and_frees_a_suspended_saga(shop, _):
    shop.well()
    shop.answers["shipping"] = Answer(501, {"error": "not implemented"})  # they are set up wrongly: no refusal
    answer = order(path="/slow-orders")
    saga = await_state(answer.json()["id"], "suspended")
    code, out, err = command("list", "--state", "suspended", "-o", "json")
    check_equal((code, err), (0, ""), "exit code and messages")
    check(saga["id"] in [item["id"] for item in json.loads(out)["items"]], out)
    code, out, _ = command("show", saga["id"])
    check(code == 0 and "suspended" in out and "ship " in out, out)
    stale = command("retry", saga["id"], "--who", "ada", "--why", "shipping is back", "--expected-seq", "1")
    check_equal((stale[0], stale[1]), (1, ""), "exit code and output for a saga that moved on")
    shop.well()
    code, _, err = command("retry", saga["id"], "--who", "ada", "--why", "shipping is back", "--expected-seq",
                           str(saga["seq"]))
    check_equal(code, 0, err)
    await_state(saga["id"], "completed")
    code, out, _ = command("show", saga["id"], "--timeline")
    check(code == 0 and "by ada: shipping is back" in out, out)


@case
def a_running_saga_can_be_cancelled(shop, _):
    shop.well()
    shop.answers["payment"] = Answer(503, {"error": "busy"}, fields=[("Retry-After", "1")])
    saga_id = order(path="/slow-orders").json()["id"]
    wait_until(lambda: shop.backends["payment"].requests, "payment is asked")
    answer = api("POST", f"/v1/sagas/{saga_id}/cancel", {"who": "ada", "why": "the customer called"})
    check(answer.status in (200, 202), f"status {answer.status}")
    saga = await_state(saga_id, "compensated")
    check_equal(saga["cause"]["reason"], "cancel", "the cause")
    # Nobody knows whether the charge had an effect: it is refunded, too.
    check("POST /refunds" in shop.did()["payment"] and "DELETE /reservations/ID" in shop.did()["order"], shop.did())
    late = api("POST", f"/v1/sagas/{saga_id}/cancel")
    check_problem(late, 409, "conflict")


@case
def a_service_that_needs_longer_calls_back(shop, _):
    shop.well()
    shop.answers["payment"] = Answer(202, {})
    saga_id = order(path="/slow-orders").json()["id"]
    asked = wait_until(lambda: shop.backends["payment"].requests, "payment is asked")[0]
    origin, path = f"http://127.0.0.1:{API}", asked.get("Saga-Callback")
    check(path.startswith(f"{origin}/v1/callbacks/sg1-{saga_id}-"), path)
    forged = path[:-1] + ("1" if path.endswith("0") else "0")
    check_problem(api("POST", forged[len(origin):]), 403, "forbidden")
    check_equal(api("GET", f"/v1/sagas/{saga_id}").json()["state"], "running", "the state after a forged report")
    for _ in range(2):  # a repeated one does no harm
        check_equal(api("POST", path[len(origin):], {"charge": "c-1"}, [("Saga-Outcome", "ok")]).status, 204, "status")
    saga = await_state(saga_id, "completed")
    check_equal(saga["steps"][1]["output"], {"charge": "c-1"}, "the output of the charge")


@case
def a_signal_lets_it_go_on(shop, _):
    shop.well()
    saga_id = api("POST", "/v1/sagas/approved-order", {}).json()["id"]
    path = f"/v1/sagas/{saga_id}/signal/approved"
    first = api("POST", path, {"by": "ada"}, [("Idempotency-Key", "s-1")])
    check_equal((first.status, first.json()), (202, {"duplicate": False}), "the signal")
    await_state(saga_id, "completed")
    check_equal(shop.backends["shipping"].requests[0].json(), {"by": "ada"}, "what the signal said")
    check_problem(api("POST", path, {"by": "bob"}, [("Idempotency-Key", "s-2")]), 409, "conflict")


@case
def pages_from_elsewhere_may_not_start_sagas(shop, _):
    shop.well()
    rebound = api("POST", "/v1/sagas/order-saga", ORDER, [("Origin", "http://evil.example")])
    check_problem(rebound, 403, "forbidden")
    with Wire(API) as wire:
        wire.send(b"GET /v1/sagas HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        check_problem(wire.response(), 403, "forbidden")
    check_equal(shop.did()["order"], [], "requests")


@case
def a_route_to_an_unknown_saga_is_refused_with_a_hint(_, program):
    bad = program.file.parent / "bad.yaml"
    bad.write_text(CONFIG.replace("saga: order-saga, wait", "saga: order-sage, wait"))
    done = subprocess.run([PROGRAM, "check", str(bad)], capture_output=True, text=True, timeout=30, check=False)
    check_equal(done.returncode, 1, "exit code")
    check("bad.yaml:12:31: no saga is named 'order-sage'; did you mean 'order-saga'?" in done.stderr, done.stderr)


if __name__ == "__main__":
    shop = Shop()
    try:
        with Flotilla(CONFIG, ADMIN) as program:
            sys.exit(main(shop, program))
    finally:
        shop.stop()
