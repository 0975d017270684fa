"""The `queue` fallback in the running program: a service goes, calls wait, it comes back, they are carried out in order.

Also what may not wait, the bound, dead letters and what people do with them, the command line, metrics, a restart.
"""
import itertools
import json
import subprocess
import sys

from kit import (PROGRAM, Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until)
from stores import journal_store

ADMIN, API, GATEWAY, SERVICE = 22740, 22741, 22742, 22743

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
stores: {{ journal: "JOURNAL" }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  payment-service:
    url: http://127.0.0.1:{SERVICE}
    circuit_breaker: {{ failures: 2, reset: 300ms }}
    retry: {{ attempts: 1 }}
    fallback:
      queue: {{ name: pending-charges, key: .order, drain: 200/s, items: 40, retry: {{ attempts: 50, backoff: 10ms..50ms }} }}
      respond: {{ body: {{ status: pending, message: Will charge later }} }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - /charges/**: payment-service
"""


FILE = []  # with its journal
NOBODY = itertools.count()


def says(status, body):
    """Connections are not kept: one that died unseen would leave a call unknown, and then it does not wait."""
    return Answer(status, body, [("Connection", "close")], close=True)


def charge(order, number, fields=(), path="/charges"):
    return ask(GATEWAY, "POST", path, [("Content-Type", "application/json"), *fields],
               json.dumps({"order": order, "n": number}).encode())


def queue(path="", method="GET", body=b""):
    return ask(API, method, f"/v1/queues{path}", [], body)


def item_of(answer):
    return queue(f"/pending-charges/{answer.get('Queue-Item')}").json()


def await_state(answer, state):
    return wait_until(lambda: (lambda item: item if item["state"] == state else None)(item_of(answer)),
                      f"{answer.get('Queue-Item')} is {state}")


def await_live(service):
    """Until the breaker is closed and a call goes straight through."""
    def through():  # each time another key, that no earlier one holds up
        return charge(f"nobody-{next(NOBODY)}", 0).status == 201
    wait_until(through, "calls go straight through")
    wait_until(lambda: queue().json()["items"][0]["waiting"] == 0, "nothing waits")
    service.forget()


def numbers(service, order):
    return [body["n"] for body in (json.loads(request.body) for request in service.requests) if body["order"] == order]


def settle(flotilla, service):
    service.behave = lambda request: says(201, {"charged": True})
    if service._server is None:
        service.open()
    flotilla.admin("POST", "/api/v1/breakers/payment-service/auto")
    await_live(service)


@case
def a_service_that_is_down_loses_no_call(flotilla, service):
    settle(flotilla, service)
    service.kill()
    answers = [charge("a", n) for n in range(6)]
    for answer in answers:
        check_equal(answer.status, 202, f"status: {answer.body}")
        check_equal(answer.json(), {"status": "pending", "message": "Will charge later"}, "the answer")
        check_equal(answer.get("Flotilla-Fallback"), "queue", "the fallback")
        check_equal(answer.get("Location"),
                    f"http://127.0.0.1:{API}/v1/queues/pending-charges/{answer.get('Queue-Item')}", "where to ask")
    expected = [(answer.get("Queue-Item"), "never-sent") for answer in answers]

    def what_waits():  # an attempt that finds nobody is under way now and then
        return [(item["id"], item["certainty"]) for item in queue("/pending-charges?state=pending").json()["items"]]
    wait_until(lambda: what_waits() == expected, "the calls wait, and none was sent")
    check_equal(flotilla.metric("flotilla_pending_depth", queue="pending-charges"), 6, "the metric")
    service.open()
    for answer in answers:
        done = await_state(answer, "done")
        check_equal(done["result"]["status"], 201, "the result")
        check_equal(done["result"]["body"], {"charged": True}, "its body")
    check_equal(numbers(service, "a"), list(range(6)), "what was carried out, in order")
    keys = {request.get("Idempotency-Key") for request in service.requests}
    check_equal(len(keys), 6, "keys that were made up")


@case
def a_call_of_a_key_goes_behind_those_that_wait(flotilla, service):
    settle(flotilla, service)
    service.kill()
    waiting = [charge("b", n) for n in range(3)]
    flotilla.admin("POST", "/api/v1/breakers/payment-service/force-open")
    service.open()
    behind = charge("b", 3)
    check_equal(behind.status, 202, "status")
    flotilla.admin("POST", "/api/v1/breakers/payment-service/auto")
    await_state(behind, "done")
    check_equal([await_state(answer, "done")["state"] for answer in waiting], ["done"] * 3, "the others")
    check_equal(numbers(service, "b"), [0, 1, 2, 3], "the order")


@case
def what_may_have_been_done_waits_only_with_a_key(flotilla, service):
    settle(flotilla, service)
    service.behave = lambda request: says(503, {"sorry": True})
    answer = charge("c", 1)
    check_equal(answer.status, 503, "status")
    check_equal(answer.json(), {"sorry": True}, "the service's own answer")
    kept = charge("c", 2, [("Idempotency-Key", "mine")])
    check_equal(kept.status, 202, f"status: {kept.body}")
    again = charge("c", 2, [("Idempotency-Key", "mine")])
    check_equal(again.get("Queue-Item"), kept.get("Queue-Item"), "the same call")
    check_problem(charge("c", 3, [("Idempotency-Key", "mine")]), 422, "key-reused")
    service.behave = lambda request: says(201, {"charged": True})
    done = await_state(kept, "done")
    check_equal(done["request"]["headers"]["Idempotency-Key"], "***", "a secret")
    sent = [request for request in service.requests if json.loads(request.body)["n"] == 2]
    check(all(request.get("Idempotency-Key") == "mine" for request in sent), "its key goes with it")


@case
def a_refusal_is_a_dead_letter_that_people_operate(flotilla, service):
    settle(flotilla, service)
    service.kill()
    refused, removed = charge("d", 1), charge("e", 1)
    taken_back = f"/pending-charges/{removed.get('Queue-Item')}"
    wait_until(lambda: queue(taken_back, "DELETE", b'{"who": "me"}').status == 200, "no attempt is under way")
    check_equal(queue(taken_back).json()["state"], "removed", "a call that was taken back")
    service.behave = lambda request: says(422, {"card": "stolen"})
    service.open()
    dead = await_state(refused, "dead")
    check_equal((dead["reason"], dead["result"]["body"]), ("refused", {"card": "stolen"}), "the dead letter")
    listed = queue("/pending-charges?state=dead").json()["items"]
    check_equal([item["id"] for item in listed], [refused.get("Queue-Item")], "the dead letters")
    service.behave = lambda request: says(201, {"charged": True})
    identity = refused.get("Queue-Item")
    run = subprocess.run([PROGRAM, "queues", "retry", "pending-charges", identity, "--who", "me", "--why", "a test",
                          "--admin", f"http://127.0.0.1:{ADMIN}"], capture_output=True, text=True, check=False)
    check_equal(run.returncode, 0, run.stderr)
    story = await_state(refused, "done")
    check("me: a test" in [entry.get("by") for entry in story["history"]], f"the history: {story['history']}")
    check_equal(numbers(service, "e"), [], "what was taken back")
    check_problem(queue(f"/pending-charges/{identity}/retry", "POST"), 409, "conflict")


@case
def the_bound_is_said(flotilla, service):
    settle(flotilla, service)
    service.kill()
    kept = [charge("f", n) for n in range(40)]
    check_equal({answer.status for answer in kept}, {202}, "status")
    check_problem(charge("f", 40), 503, "overloaded")
    check_equal(flotilla.metric("flotilla_pending_offers_total", queue="pending-charges", result="full"), 1, "the metric")
    service.open()
    await_state(kept[-1], "done")
    check_equal(numbers(service, "f"), list(range(40)), "the order")


@case
def a_restart_goes_on(flotilla, service):
    settle(flotilla, service)
    service.kill()
    answers = [charge("g", n) for n in range(4)]
    flotilla.kill()
    service.open()
    flotilla.spawn()
    flotilla.await_ready()
    for answer in answers:
        await_state(answer, "done")
    check_equal(numbers(service, "g"), list(range(4)), "the order")


@case
def the_command_line_shows_it(flotilla, service):
    settle(flotilla, service)

    def cli(*arguments):
        run = subprocess.run([PROGRAM, "queues", *arguments, "--admin", f"http://127.0.0.1:{ADMIN}"],
                             capture_output=True, text=True, check=False)
        check_equal(run.returncode, 0, run.stderr)
        return run.stdout
    table = cli()
    check(table.startswith("NAME") and "pending-charges" in table and "payment-service" in table, table)
    page = cli("show", "pending-charges", "--state", "done", "--limit", "1")
    check("done" in page and "more with --after" in page, page)
    identity = page.splitlines()[1].split()[0]
    check("accepted" in cli("show", "pending-charges", identity), "the history")


@case
def what_does_not_exist_is_said(_, __):
    check_problem(queue("/nothing"), 404, "not-found")
    check_problem(queue("/pending-charges/01HF7YAT00ABCDEFGHJKMNPQRS"), 404, "not-found")
    check_problem(queue("/pending-charges?state=lost"), 400, "malformed")


@case
def a_reload_changes_the_queue_and_keeps_what_waits(flotilla, service):
    settle(flotilla, service)
    service.kill()
    answer = charge("h", 1)
    flotilla.file.write_text(FILE[0].replace("items: 40", "items: 50"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    check_equal(queue().json()["items"][0]["most_items"], 50, "the bound")
    service.open()
    await_state(answer, "done")


if __name__ == "__main__":
    with journal_store() as store_:
        FILE.append(CONFIG.replace("JOURNAL", store_))
        with Backend(SERVICE, "payment-service") as service_, Flotilla(FILE[0], ADMIN) as flotilla_:
            status = main(flotilla_, service_)
    sys.exit(status)
