"""Commands of two processes over one PostgreSQL: each passes on what the other owns; one is killed, and the other goes on.

Skipped where there is no PostgreSQL.
"""
import concurrent.futures
import json
import sys

from kit import SLOWDOWN, Failed, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until
from server_of_postgres import Postgres

PORTS = [{"admin": 22850, "api": 22851, "gateway": 22852}, {"admin": 22853, "api": 22854, "gateway": 22855}]
LEASE = 30 * SLOWDOWN  # seconds within which another process takes over, generously


def config(ports, url):
    return f"""admin: {{ listen: 127.0.0.1:{ports["admin"]} }}
api: {{ listen: 127.0.0.1:{ports["api"]}, hosts: [a.example], token: between-us }}
workers: 2
stores: {{ journal: "{url}" }}
gateways:
  public: {{ listen: 127.0.0.1:{ports["gateway"]}, routes: [ POST /add: {{ command: add }} ] }}
topics: {{ added: {{}} }}
aggregates:
  account:
    evolve: '{{n: ((.n // 0) + 1)}}'
    snapshot_every: 5
    commands:
      add: {{ id: .account, decide: '[{{type: "added", data: {{account: $command.account, n: ((.n // 0) + 1)}}}}]' }}
"""


def add(which, account, fields=(), door="api"):
    token = [("Authorization", "Bearer between-us")] if door == "api" else []
    target = "/v1/commands/add" if door == "api" else "/add"
    return ask(PORTS[which][door], "POST", target, [("Content-Type", "application/json"), *token, *fields],
               json.dumps({"account": account}).encode())


def accepted(flotilla):
    return flotilla.metric("flotilla_commands_accepted_total", command="add") or 0


@case
def each_passes_on_what_the_other_owns(both, _):
    def shared():
        answers = [add(number % 2, f"probe-{number}") for number in range(40)]
        return all(answer.status == 200 for answer in answers) and all(accepted(flotilla) > 5 for flotilla in both)

    wait_until(shared, "both own shards, and answer for them")
    before = [accepted(flotilla) for flotilla in both]
    for number in range(40):
        for which, door in ((0, "api"), (1, "api"), (0, "gateway"), (1, "gateway")):
            answer = add(which, f"a{number}", door=door)
            check_equal(answer.status, 200, f"status: {answer.body}")
        check_equal(answer.json()["version"], 4, "the version, whoever was asked")
    gained = [accepted(flotilla) - was for flotilla, was in zip(both, before)]
    check_equal(sum(gained), 160, "commands that were executed, each once")
    check(min(gained) > 20, f"where they were executed: {gained}")


@case
def a_key_has_one_answer_at_every_door(_, __):
    for number in range(10):
        account, key = f"k{number}", [("Idempotency-Key", f"k{number}")]
        first = add(0, account, key)
        again = add(1, account, key)
        check_equal((again.status, again.body, again.get("Idempotent-Replayed")), (200, first.body, "true"), "by the API")
        first = add(1, account, key, "gateway")
        check_equal(first.json()["version"], 2, "clients of a gateway are another principal")
        again = add(0, account, key, "gateway")
        check_equal((again.body, again.get("Idempotent-Replayed")), (first.body, "true"), "by the gateways")


@case
def exactly_one_of_both_sides_wins_a_version(_, __):
    for number in range(5):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda which: add(which % 2, "raced", [("If-Match", f'"{number}"')]), range(12)))
        check_equal(sorted(answer.status for answer in answers), [200] + [409] * 11, "one winner")


@case
def the_port_asks_for_its_token(_, __):
    answer = ask(PORTS[0]["api"], "POST", "/v1/commands/add", [("Flotilla-Forwarded", "gateway/public")], b"{}")
    check_equal(answer.status, 401, "status")


@case
def what_was_acknowledged_survives_the_owner(both, _):
    keys = {f"s{number}": add(number % 2, f"s{number}", [("Idempotency-Key", f"s{number}")]).body for number in range(40)}
    both[0].kill()

    def taken_over():
        return all(add(1, account, [("Idempotency-Key", account)]).status == 200 for account in keys)

    wait_until(taken_over, "the other process owns all of it", LEASE)
    for account, body in keys.items():
        check_equal(add(1, account, [("Idempotency-Key", account)]).body, body, f"the answer to {account}")
        check_equal(add(1, account).json()["version"], 2, "and it goes on from there")
    both[0].spawn()
    both[0].await_ready()
    wait_until(lambda: add(0, "s1").status == 200, "the first one is back", LEASE)
    check_problem(add(0, "s1", [("If-Match", '"1"')]), 409, "conflict")


def run():
    with Postgres(durable=True) as database, Flotilla(config(PORTS[0], database.url), PORTS[0]["admin"]) as first, \
            Flotilla(config(PORTS[1], database.url), PORTS[1]["admin"]) as second:
        return main((first, second), None)


if __name__ == "__main__":
    try:
        sys.exit(run())
    except Failed as error:
        sys.exit(f"FAILED  {error}")
