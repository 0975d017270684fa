"""Dead letters in the running program: looking, editing, sending again, dropping, through kills and the command line."""
import json
import os
import subprocess
import sys

from kit import (PATIENCE, PROGRAM, Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until)
from stores import journal_store

ADMIN, API, SERVICE = 22680, 22681, 22682

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN}, hosts: [a.example] }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "%s" }}
services:
  ledger: {{ url: "http://127.0.0.1:{SERVICE}" }}
subscriptions:
  charge:
    topic: orders
    deliver: POST ledger/events
    on_success: paid
    retry: {{ attempts: 3, backoff: 1ms..5ms }}
  blocked:
    topic: steps
    deliver: POST ledger/steps
    after_dead_letter: block-key
"""
PERSON = {"who": "ann", "why": "fixed"}


class Ledger:
    """Refuses what says so; `kind` becomes what every event gets."""

    def __init__(self):
        self.kind = None

    def behave(self, request):
        data = json.loads(request.body)
        return Answer(self.kind or data.get("answer", 200), {"saw": data.get("n")})


ledger = Ledger()


def publish(topic, data, key=None):
    fields = [("Content-Type", "application/json"), *([("ce-partitionkey", key)] if key else [])]
    answer = ask(API, "POST", f"/v1/topics/{topic}", fields, json.dumps(data).encode())
    check_equal(answer.status, 202, f"publishing: {answer.body}")


def letters(name, query=""):
    answer = ask(ADMIN, "GET", f"/api/v1/subscriptions/{name}/dead-letters{query}")
    check_equal(answer.status, 200, f"the list: {answer.body}")
    return answer.json()["items"]


def wait_letters(name, count, query=""):
    wait_until(lambda: len(letters(name, query)) == count, f"{count} dead letters {query}")
    return letters(name, query)


def verb(name, path, body=None):
    return ask(ADMIN, "POST", f"/api/v1/subscriptions/{name}/dead-letters/{path}", [("Content-Type", "application/json")],
               json.dumps(body or PERSON).encode())


def cli(*arguments):
    done = subprocess.run([PROGRAM, "subscriptions", "dead-letters", *map(str, arguments), "--admin", f"http://127.0.0.1:{ADMIN}"],
                          capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "USER": "bob"})
    return done.returncode, done.stdout, done.stderr


def sent(backend, path="/events"):
    return [json.loads(request.body) for request in backend.requests if request.target == path]


@case
def a_refused_event_is_edited_and_sent_again(_, backend):
    publish("orders", {"n": 1, "answer": 422}, "a")
    letter = wait_letters("charge", 1)[0]
    check_equal((letter["reason"], letter["code"], letter["key"], letter["state"]), ("refused", "422", "a", "open"), "it")
    check_equal(verb("charge", f"{letter['id']}/edit", {**PERSON, "data": {"n": 1}}).status, 200, "the edit")
    backend.forget()
    check_equal(verb("charge", f"{letter['id']}/replay").status, 200, "the replay")
    wait_letters("charge", 1, "?state=delivered")
    check_equal(sent(backend), [{"n": 1}], "what was sent")
    fields = backend.requests[0]
    check_equal((fields.get("Event-Replay"), fields.get("ce-partitionkey")), ("true", "a"), "its fields")
    paid = ask(API, "GET", "/v1/topics/paid?from=0").json()["events"]
    check_equal([event["data"] for event in paid], [{"saw": 1}], "what is published")
    shown = ask(ADMIN, "GET", f"/api/v1/subscriptions/charge/dead-letters/{letter['id']}").json()
    check_equal([(step["verb"], step.get("who"), step.get("why")) for step in shown["history"]],
                [("edit", "ann", "fixed"), ("replay", "ann", "fixed"), ("delivered", None, None)], "its history")
    check_problem(verb("charge", f"{letter['id']}/drop"), 409, "conflict")


@case
def what_fails_again_waits_again(_, backend):
    publish("orders", {"n": 2, "answer": 503}, "b")
    letter = wait_letters("charge", 1)[0]
    check_equal((letter["reason"], letter["attempts"]), ("exhausted", 3), "it")
    check_equal(verb("charge", f"{letter['id']}/replay").status, 200, "the replay")
    wait_until(lambda: letters("charge")[:1] and letters("charge")[0]["attempts"] == 6, "it is open again")
    dead = ask(API, "GET", "/v1/topics/orders.dead?from=0&limit=1000").json()["events"]
    check_equal(len([event for event in dead if event["data"]["n"] == 2]), 1, "dead letters that are published of it")
    check_equal(verb("charge", f"{letter['id']}/drop").status, 200, "the drop")
    check_equal(letters("charge"), [], "what is open")


@case
def all_of_an_outage_are_sent_again_in_the_order_of_their_keys(flotilla, backend):
    ledger.kind = 422
    for n in range(60):
        publish("orders", {"n": n}, f"k{n % 3}")
    wait_letters("charge", 60)
    wait_until(lambda: flotilla.metric("flotilla_subscription_dead_letters", subscription="charge", state="open") == 60,
               "the metric of depth")
    ledger.kind = None
    backend.forget()
    code, out, err = cli("charge", "replay", "--all", "--code", 422, "--who", "ann", "--why", "the outage is over")
    check_equal((code, out), (0, "replay: 60 done, 0 passed over\n"), err)
    wait_letters("charge", 0, "?state=replaying")
    wait_letters("charge", 61, "?state=delivered")
    numbers = [data["n"] for data in sent(backend)]
    check_equal(sorted(numbers), list(range(60)), "each was sent once")
    for key in range(3):
        check_equal([n for n in numbers if n % 3 == key], list(range(key, 60, 3)), f"the order of key k{key}")
    publish("orders", {"n": 1000}, "k0")
    wait_until(lambda: {"n": 1000} in sent(backend), "the subscription goes on")
    check_equal(len(sent(backend)), 61, "and sends nothing else again")


@case
def a_kill_forgets_no_replay(flotilla, backend):
    ledger.kind = 422
    publish("orders", {"n": 7}, "a")
    letter = wait_letters("charge", 1)[0]
    ledger.kind = 503
    backend.forget()
    check_equal(verb("charge", f"{letter['id']}/replay").status, 200, "the replay")
    flotilla.kill()
    ledger.kind = None
    flotilla.spawn()
    flotilla.await_ready()
    wait_until(lambda: ask(ADMIN, "GET", f"/api/v1/subscriptions/charge/dead-letters/{letter['id']}").json()["state"] != "replaying",
               "something comes of it")
    state = ask(ADMIN, "GET", f"/api/v1/subscriptions/charge/dead-letters/{letter['id']}").json()["state"]
    if state == "open":  # the three attempts were through before the kill
        check_equal(verb("charge", f"{letter['id']}/replay").status, 200, "the replay")
    wait_until(lambda: ask(ADMIN, "GET", f"/api/v1/subscriptions/charge/dead-letters/{letter['id']}").json()["state"] == "delivered",
               "it is delivered")
    check({"n": 7} in sent(backend), "it is sent after the restart")


@case
def a_blocked_key_goes_on_when_it_is_released(_, backend):
    publish("steps", {"n": 1, "answer": 409}, "doc")
    publish("steps", {"n": 2}, "doc")
    letter = wait_letters("blocked", 1)[0]
    check_equal(verb("blocked", f"{letter['id']}/edit", {**PERSON, "data": {"n": 1}}).status, 200, "the edit")
    backend.forget()
    check_equal(verb("blocked", f"{letter['id']}/replay").status, 200, "the replay")
    wait_letters("blocked", 1, "?state=delivered")
    check_equal(sent(backend, "/steps"), [{"n": 1}], "the key is held")
    answer = ask(ADMIN, "POST", "/api/v1/subscriptions/blocked/release", (), b'{"key": "doc"}')
    check_equal(answer.status, 200, f"the release: {answer.body}")
    wait_until(lambda: sent(backend, "/steps") == [{"n": 1}, {"n": 2}], "the order of the key")


@case
def the_command_line_shows_and_refuses(_, __):
    publish("orders", {"n": 9, "answer": 400}, "z")
    letter = wait_letters("charge", 1)[0]
    code, out, _ = cli("charge")
    check(code == 0 and "refused" in out and out.splitlines()[1].split()[0] == letter["id"], f"the table: {out}")
    code, out, _ = cli("charge", "show", letter["id"])
    check(code == 0 and '"answer": 400' in out.replace('":400', '": 400'), f"one: {out}")
    code, out, err = cli("charge", "drop", letter["id"])
    check_equal((code, out), (2, ""), "without a reason")
    code, out, err = cli("charge", "drop", letter["id"], "--why", "a test")
    check(code == 0 and "bob" in out and "a test" in out, f"the drop: {out} {err}")
    code, _, err = cli("charge", "replay", letter["id"], "--why", "a test")
    check(code == 1 and "it is dropped already" in err, f"the replay of a dropped one: {err}")
    code, _, err = cli("nobody")
    check_equal(code, 1, "an unknown subscription")


if __name__ == "__main__":
    with journal_store() as store, Backend(SERVICE, "ledger", ledger.behave) as ledger_, Flotilla(CONFIG % store, ADMIN) as flotilla_:
        sys.exit(main(flotilla_, ledger_))
