"""Subscriptions that are declared at run time: durable, through kills and reloads, and forgotten."""
import json
import os
import subprocess
import sys

from kit import PATIENCE, PROGRAM, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until
from stores import journal_store

ADMIN, API, SERVICE = 22920, 22921, 22922

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN}, hosts: [a.example] }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "%s" }}
services:
  ledger: {{ url: "http://127.0.0.1:{SERVICE}" }}
topics:
  orders: {{}}
subscriptions:
  charge: {{ topic: orders, deliver: POST ledger/charge }}
"""
MAIL = {"topic": "orders", "deliver": "POST ledger/mail", "retry": {"attempts": 3, "backoff": "1ms..5ms"}}


def api(method, path, body=b""):
    """After a kill, a shared journal's shards stay with the dead process until their leases end: 503 until then."""
    answers = []

    def asked():
        answers.append(ask(API, method, path, [("Content-Type", "application/json")], body))
        return answers[-1].status != 503
    wait_until(asked, f"{method} {path} has an owner")
    return answers[-1]


def put(name, body):
    return api("PUT", f"/v1/subscriptions/{name}", json.dumps(body, indent="\t").encode())


def delete(name):
    return api("DELETE", f"/v1/subscriptions/{name}")


def publish(data, topic="orders"):
    answer = api("POST", f"/v1/topics/{topic}", json.dumps(data).encode())
    check_equal(answer.status, 202, f"publishing: {answer.body}")


def names(flotilla):
    return {item["name"]: item["source"] for item in flotilla.admin("GET", "/api/v1/subscriptions").json()["items"]}


def sent(backend, path):
    return [json.loads(request.body)["n"] for request in list(backend.requests) if request.target == path]


def wait_sent(backend, path, numbers):
    wait_until(lambda: sent(backend, path) == numbers, f"{path} gets {numbers}")


@case
def one_is_declared_and_there_after_a_kill(flotilla, backend):
    answer = put("mail", MAIL)
    check_equal(answer.status, 201, f"status: {answer.body}")
    publish({"n": 1})
    wait_sent(backend, "/mail", [1])
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    check_equal(names(flotilla), {"charge": "file", "mail": "api"}, "the subscriptions")
    publish({"n": 2})
    wait_until(lambda: 2 in sent(backend, "/mail"), "it goes on")
    check_equal(put("mail", MAIL).status, 200, "the same once more")


@case
def one_that_is_declared_right_before_a_kill_misses_nothing(flotilla, backend):
    check_equal(put("late", {"topic": "orders", "deliver": "POST ledger/late"}).status, 201, "status")
    publish({"n": 3})
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    wait_until(lambda: 3 in sent(backend, "/late"), "what was published since it was declared")
    check(1 not in sent(backend, "/late") and 2 not in sent(backend, "/late"), "and nothing older")
    check_equal(delete("late").status, 202, "its end")


@case
def what_is_wrong_is_said(flotilla, _):
    problem = check_problem(put("charge", MAIL), 409, "conflict")
    check("the file names" in problem["detail"], problem["detail"])
    problem = check_problem(put("x", {**MAIL, "topik": "orders"}), 422, "invalid")
    check("body:" in problem["detail"] and "topik" in problem["detail"], problem["detail"])
    check_problem(put("x", {**MAIL, "deliver": "POST nobody/x"}), 422, "invalid")
    check_problem(put("x", {**MAIL, "filter": ".n >"}), 422, "invalid")
    check_problem(ask(API, "PUT", "/v1/subscriptions/x", (), b"{"), 400, "malformed")
    check_problem(delete("x"), 404, "not-found")
    check_problem(delete("charge"), 409, "conflict")
    check_equal(ask(API, "GET", "/v1/subscriptions/x").get("Allow"), "PUT, DELETE", "Allow")
    check("x" not in names(flotilla), "nothing came of it")


@case
def its_topics_exist(_, backend):
    check_equal(put("fresh", {**MAIL, "topic": "brand.new", "deliver": "POST ledger/fresh"}).status, 201, "status")
    publish({"n": 4}, "brand.new")
    wait_sent(backend, "/fresh", [4])
    check_equal(ask(API, "GET", "/v1/topics/brand.new.dead?from=0").status, 200, "the topic of its dead letters")


@case
def a_reload_keeps_it(flotilla, backend):
    flotilla.file.write_text(CONFIG.replace("  orders: {}", "  orders: {}\n  added: {}"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    check("mail" in names(flotilla), "it is there")
    publish({"n": 5})
    wait_until(lambda: 5 in sent(backend, "/mail"), "and runs")
    publish({"n": 6}, "brand.new")
    wait_until(lambda: 6 in sent(backend, "/fresh"), "with its topic")


@case
def a_deleted_one_is_forgotten(flotilla, backend):
    check_equal(delete("mail").status, 202, "status")
    check("mail" not in names(flotilla), "it runs no more")
    publish({"n": 7})
    wait_until(lambda: delete("mail").status == 404, "it is forgotten")
    check(7 not in sent(backend, "/mail"), "and got nothing more")
    backend.forget()
    check_equal(put("mail", {**MAIL, "from": "earliest"}).status, 201, "it may come again")
    wait_until(lambda: 1 in sent(backend, "/mail") and 7 in sent(backend, "/mail"), "with all there is")


@case
def one_that_the_file_had_is_forgotten_by_an_operator(flotilla, backend):
    def cli(*arguments):
        return subprocess.run([PROGRAM, "subscriptions", *arguments, "--admin", f"http://127.0.0.1:{ADMIN}"],
                              capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "USER": "bob"})
    done = cli("forget", "charge", "--why", "renamed")
    check(done.returncode == 1 and "take it out there first" in done.stderr, f"while the file names it: {done.stderr}")
    flotilla.file.write_text(CONFIG.replace("  charge:", "  other:").replace("ledger/charge", "ledger/other"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    done = cli("forget", "charge", "--why", "renamed")
    check_equal((done.returncode, done.stdout), (0, "it is being forgotten\n"), done.stderr)
    wait_until(lambda: "nothing is known" in cli("forget", "charge", "--why", "renamed").stderr, "it is forgotten")


if __name__ == "__main__":
    with journal_store() as store, Backend(SERVICE, "ledger") as ledger_:
        CONFIG %= store
        with Flotilla(CONFIG, ADMIN) as flotilla_:
            sys.exit(main(flotilla_, ledger_))
