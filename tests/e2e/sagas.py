"""Sagas in the running program: order, refusal and undo, resending, people, a crash in the middle, a reload."""
import functools
import json
import sys

from kit import Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until

GATEWAY, ADMIN, API, SERVICE = 22200, 22201, 22202, 22210

STEPS = """
      - reserve:
          action: POST shop/reservations
          body: "{order: .input.order_id}"
          undo: DELETE shop/reservations/{.input.order_id}
      - charge:
          action: POST shop/charges
          body: "{order: .input.order_id, amount: .input.total}"
          undo: { call: POST shop/refunds, body: "{order: .input.order_id}" }
          retry: { attempts: 50, backoff: 20ms..100ms }
          outcomes: { 402: refused }
          idempotent: key
      - ship: { kind: pivot, action: POST shop/shipments, body: "{order: .input.order_id}", idempotent: key }
"""

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  shop:
    url: "http://127.0.0.1:{SERVICE}"
    retry: {{ attempts: 5 }}
    circuit_breaker: {{ failures: 1000, reset: 1s }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - POST /orders: {{ saga: place-order, wait: 10s }}
sagas:
  place-order:
    search: {{ order: .input.order_id }}
    redact: [.input.card, .steps.charge.token]
    publish:
      done.charge: {{ topic: order.paid, data: "{{order: .input.order_id}}" }}
    steps:{STEPS}
    result: "{{tracking: .steps.ship.tracking}}"
"""


class Shop(Backend):
    """Answers 201 to everything, or what `answers` has for "METHOD /path"."""

    def __init__(self):
        self.answers = {}
        super().__init__(SERVICE, "shop", self.answer)

    def answer(self, request):
        said = self.answers.get(f"{request.method} {request.target}")
        return said if said else Answer(201, {"tracking": "T1"})

    def got(self, line):
        return [each for each in self.requests if f"{each.method} {each.target}" == line]


def fresh(function):
    """A case that begins with a shop that has seen nothing and answers well."""
    @functools.wraps(function)
    def with_fresh(flotilla, shop):
        shop.answers.clear()
        shop.forget()
        return function(flotilla, shop)
    return case(with_fresh)


def order(number, key=None, path="/orders", port=GATEWAY, **more):
    fields = [("Content-Type", "application/json")] + ([("Idempotency-Key", f'"{key}"')] if key else [])
    return ask(port, "POST", path, fields, json.dumps({"order_id": number, "total": 9.90, **more}).encode())


def saga(identity):
    return ask(API, "GET", f"/v1/sagas/{identity}").json()


def wait_for(identity, state):
    wait_until(lambda: saga(identity)["state"] == state, f"the saga is {state}")


@fresh
def an_order_ships(flotilla, shop):
    answer = order(1)
    check_equal(answer.status, 200, "status")
    body = answer.json()
    check_equal((body["state"], body["result"]), ("completed", {"tracking": "T1"}), "the saga")
    check_equal([step["state"] for step in body["steps"]], ["done"] * 3, "its steps")
    sent = shop.got("POST /charges")[0]
    check_equal(sent.json(), {"order": 1, "amount": 9.9}, "the body of the charge")
    key = sent.get("Idempotency-Key")
    check(key.startswith(f'"sg1-{body["id"]}-1-a-') and key.endswith('"'), f"a quoted key, not {key}")
    check_equal((sent.get("Saga-Id"), sent.get("Saga-Step"), sent.get("Saga-Op")), (body["id"], "charge", "action"),
                "the headers")
    check_equal(sent.get("Saga-Callback"), f"http://127.0.0.1:{API}/v1/callbacks/{key[1:-1]}", "the callback")


@fresh
def a_refused_one_is_undone(flotilla, shop):
    shop.answers["POST /charges"] = Answer(402, {"no": "money"})
    answer = order(2)
    check_equal((answer.status, answer.json()["state"]), (409, "compensated"), "the answer")
    cause = answer.json()["cause"]
    check_equal((cause["step"], cause["status"]), ("charge", 402), "the cause")
    check_equal(len(shop.got("DELETE /reservations/2")), 1, "the undo of the reservation")
    check_equal(shop.got("POST /refunds") + shop.got("POST /shipments"), [], "what must not be sent")


@fresh
def a_repeated_key_is_one_order(flotilla, shop):
    first, again = order(3, "k3"), order(3, "k3")
    check_equal(first.json()["id"], again.json()["id"], "the saga")
    check_equal((first.get("Idempotent-Replayed"), again.get("Idempotent-Replayed")), (None, "true"), "Idempotent-Replayed")
    check_equal(len(shop.got("POST /charges")), 1, "charges")
    check_problem(order(4, "k3"), 422, "key-reused")


@fresh
def a_list_finds_it_and_nobody_is_shown_a_secret(flotilla, shop):
    shop.answers["POST /charges"] = Answer(201, {"token": "4111-TOKEN", "paid": True})
    identity = order(41, card={"number": "4111-CARD"}).json()["id"]
    page = flotilla.admin("GET", "/api/v1/sagas?search.order=41&name=place-order").json()
    check_equal([(item["id"], item["search"]) for item in page["items"]], [(identity, {"order": "41"})], "what is found")
    check_equal(flotilla.admin("GET", "/api/v1/sagas?search.order=42").json()["items"], [], "what is not there")
    shown = flotilla.admin("GET", f"/api/v1/sagas/{identity}?timeline=true").body.decode()
    check('"card":"[redacted]"' in shown and '"token":"[redacted]"' in shown, f"what stands in the place: {shown}")
    for what in (shown, json.dumps(saga(identity)), flotilla.said()):
        check("4111" not in what, f"the secret is shown: {what}")


@fresh
def too_large_an_order_is_none(flotilla, shop):
    check_problem(order(43, padding="x" * 262144), 413, "too-large")
    check_problem(order(43, path="/v1/sagas/place-order", port=API, padding="x" * 262144), 413, "too-large")
    check_equal(shop.requests, [], "what was sent")


@fresh
def what_may_have_happened_is_sent_again_as_it_was(flotilla, shop):
    shop.answers["POST /charges"] = Answer(500, {})
    begun = order(5, path="/v1/sagas/place-order", port=API)
    check_equal(begun.status, 202, "status")
    wait_until(lambda: len(shop.got("POST /charges")) >= 4, "it is sent again")
    del shop.answers["POST /charges"]
    wait_for(begun.json()["id"], "completed")
    sent = shop.got("POST /charges")
    check_equal(len({(each.body, each.get("Idempotency-Key")) for each in sent}), 1, "bytes and keys")
    attempts = [each.get("Saga-Attempt").split(".")[1] for each in sent]
    check_equal(attempts, [str(n + 1) for n in range(len(sent))], "one attempt in the log is one request")


@fresh
def a_kill_in_the_middle_loses_and_doubles_nothing(flotilla, shop):
    shop.answers["POST /charges"] = Answer(503, {})
    begun = [order(100 + n, f"kill-{n}", "/v1/sagas/place-order", API).json()["id"] for n in range(20)]
    wait_until(lambda: len(shop.got("POST /charges")) >= 40, "all are at their second step")
    flotilla.kill()
    before = list(shop.requests)
    del shop.answers["POST /charges"]
    flotilla.spawn()
    flotilla.await_ready()
    for identity in begun:
        wait_for(identity, "completed")
    again = order(100, "kill-0", "/v1/sagas/place-order", API)
    check_equal(again.json()["id"], begun[0], "the key still finds its saga")
    keys = {}
    for each in shop.requests:
        keys.setdefault(each.get("Idempotency-Key"), set()).add((each.method, each.target, each.body))
    check(all(len(requests) == 1 for requests in keys.values()), "a key has one request, before and after")
    check_equal(len(keys), 60, "operations")
    check(len(shop.requests) > len(before), "it went on")


@fresh
def a_shutdown_parks_and_a_start_takes_up(flotilla, shop):
    shop.answers["POST /charges"] = Answer(503, {})
    begun = order(6, path="/v1/sagas/place-order", port=API).json()["id"]
    wait_until(lambda: shop.got("POST /charges"), "it is at its second step")
    flotilla.process.terminate()
    check_equal(flotilla.process.wait(15), 0, "exit code")
    del shop.answers["POST /charges"]
    flotilla.spawn()
    flotilla.await_ready()
    wait_for(begun, "completed")
    check_equal(len(shop.got("POST /reservations")), 1, "reservations")


@fresh
def people_look_at_them_and_decide(flotilla, shop):
    shop.answers["POST /charges"] = Answer(501, {})  # a mistake of the set-up: suspended, never aborted
    identity = order(7).json()["id"]
    wait_for(identity, "suspended")
    check("suspended" in flotilla.said(), "the log tells")
    page = flotilla.admin("GET", "/api/v1/sagas?state=suspended").json()
    check_equal([item["id"] for item in page["items"]], [identity], "the list of the suspended")
    check_equal(flotilla.metric("flotilla_saga_suspended", saga="place-order"), 1, "the metric")
    del shop.answers["POST /charges"]
    done = flotilla.admin("POST", f"/api/v1/sagas/{identity}/retry", b'{"who": "ops", "why": "fixed"}')
    check_equal(done.status, 200, f"the verb: {done.body}")
    wait_for(identity, "completed")
    shown = flotilla.admin("GET", f"/api/v1/sagas/{identity}?timeline=true").json()
    check("operator" in [entry["type"] for entry in shown["timeline"]], f"the timeline: {shown['timeline']}")
    check(flotilla.metric("flotilla_journal_commits_total") > 0, "the journal's metrics")


@fresh
def a_definition_with_open_sagas_stays(flotilla, shop):
    shop.answers["POST /charges"] = Answer(503, {})
    begun = order(8, path="/v1/sagas/place-order", port=API).json()["id"]
    without = CONFIG[:CONFIG.index("sagas:")].replace("saga: place-order, wait: 10s", "respond: { body: x }")
    flotilla.file.write_text(without)
    refused = flotilla.admin("POST", "/api/v1/config/reload")
    check(refused.status >= 400 and b"place-order" in refused.body, f"refused, and says why: {refused.body}")
    # Another definition of the same name is fine: the open one keeps its own.
    flotilla.file.write_text(CONFIG.replace("POST shop/shipments", "POST shop/parcels"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    del shop.answers["POST /charges"]
    wait_for(begun, "completed")
    check_equal((len(shop.got("POST /shipments")), len(shop.got("POST /parcels"))), (1, 0), "what was sent")
    order(9)
    check_equal(len(shop.got("POST /parcels")), 1, "the new one")
    flotilla.file.write_text(without)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "none is open: they may go")
    check_problem(order(10, path="/v1/sagas/place-order", port=API), 404, "not-found")
    flotilla.file.write_text(CONFIG + "stores: { journal: \"sqlite:./other.db\" }\n")
    refused = flotilla.admin("POST", "/api/v1/config/reload")
    check(b"stores cannot change" in refused.body, f"another journal: {refused.body}")
    flotilla.file.write_text(CONFIG)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "back")


if __name__ == "__main__":
    with Shop() as shop_, Flotilla(CONFIG, ADMIN) as flotilla_:
        sys.exit(main(flotilla_, shop_))
