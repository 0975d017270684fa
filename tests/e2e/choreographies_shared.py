"""Choreographies of two processes over one PostgreSQL: one follows and tells, both show; it is killed, and the other goes on.

Skipped where there is no PostgreSQL.
"""
import json
import subprocess
import sys

import kill_kit
from kit import PATIENCE, PROGRAM, SLOWDOWN, Failed, ask, case, check, check_equal, main, wait_until

PORTS = [{"admin": 22870, "api": 22871}, {"admin": 22872, "api": 22873}]
LEASE = 60 * SLOWDOWN  # seconds within which another process takes over, generously


def config(which, url):
    ports = PORTS[which]
    return f"""admin: {{ listen: 127.0.0.1:{ports["admin"]} }}
api: {{ listen: 127.0.0.1:{ports["api"]}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{url}" }}
services: {{ nobody: {{ url: "http://127.0.0.1:1" }} }}
subscriptions:
  mail: {{ topic: order.noted, deliver: POST nobody/mail, retry: {{ attempts: 1 }} }}
choreographies:
  order:
    correlate: .order_id
    start: order.created
    expect:
      - {{ after: order.created, one_of: [payment.success, payment.failed], within: 4s }}
      - {{ after: payment.success, all_of: [order.shipped, order.noted] }}
    end: {{ ok: [order.shipped], undone: [payment.failed] }}
    on_overdue: {{ event: order.overdue }}
"""


def publish(which, topic, number, cause=None):
    fields = [("Content-Type", "application/json"), ("ce-id", f"{topic}-{number}"), ("ce-source", "/t"), ("Correlation-Id", f"c-{number}")]
    if cause:
        fields.append(("Causation-Id", f"{cause}-{number}"))
    answer = ask(PORTS[which]["api"], "POST", f"/v1/topics/{topic}", fields, json.dumps({"order_id": number}).encode())
    check(answer.status in (202, 503), f"status: {answer.body}")
    return answer.get("Position")


def publish_at_last(which, topic, number, cause=None):
    position = [None]

    def published():
        position[0] = publish(which, topic, number, cause)
        return position[0] is not None

    wait_until(published, f"{topic} of {number} is published", LEASE)
    return position[0]


def picture(which, number, after=None):
    return ask(PORTS[which]["api"], "GET", f"/v1/correlations/{number}?wait=10s", [("Read-After", after)] if after else [])


def places(found):
    return [event["position"] for event in found["events"]]


def state(which, number):
    answer = picture(which, number)
    return answer.json()["state"] if answer.status == 200 else None


def alerts(which):
    answer = ask(PORTS[which]["api"], "GET", "/v1/topics/order.overdue?from=0&limit=1000")
    return [event["data"]["id"] for event in answer.json()["events"]] if answer.status == 200 else []


def told(flotilla):
    return flotilla.metric("flotilla_choreographies_told_total", choreography="order") or 0


def follows(flotilla):
    return (flotilla.metric("flotilla_choreographies_events_total", choreography="order") or 0) > 0


def trace(which, *arguments):
    done = subprocess.run([PROGRAM, "trace", *arguments, "--admin", f"http://127.0.0.1:{PORTS[which]['admin']}"],
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout


@case
def both_answer_with_what_either_took(both, _):
    wait_until(lambda: all((each.metric("flotilla_journal_shards_owned") or 0) == 32 for each in both), "each has its half of the shards")
    publish_at_last(0, "order.created", 1)
    publish_at_last(1, "payment.success", 1, "order.created")
    publish_at_last(0, "order.noted", 1, "payment.success")
    position = publish_at_last(1, "order.shipped", 1, "payment.success")
    for which in (0, 1):
        found = picture(which, 1, position)
        check_equal(found.status, 200, f"status: {found.body}")
        found = found.json()
        check_equal(found["state"], "ok", f"the state: {found}")
        check_equal([(event["topic"], event["depth"], event["unexpected"]) for event in found["events"]],
                    [("order.created", 1, False), ("payment.success", 2, False), ("order.noted", 3, False), ("order.shipped", 3, False)],
                    "the events")
        check_equal(places(picture(which, "c-1").json()), places(found), "by the correlation of its events")
        code, said = trace(which, "1")
        check(code == 0 and "order.shipped" in said, f"flotilla trace: {said}")
        code, said = trace(which, "--state", "ok")
        check(code == 0 and "order" in said, f"the list: {said}")
    shards = {place.split("-")[0] for place in places(found)}
    check(len(shards) > 1, f"the events lie in several shards: {shards}")
    check_equal([follows(each) for each in both].count(True), 1, "one follows")


@case
def what_became_of_a_delivery_is_known_whatever_its_shard(_, __):
    def delivered(which):
        note = next(event for event in picture(which, 1).json()["events"] if event["topic"] == "order.noted")
        return note["deliveries"] and note["deliveries"][0]["state"] == "dead-letter"

    for which in (0, 1):
        wait_until(lambda n=which: delivered(n), "the dead letter is in the picture")


@case
def what_is_overdue_is_told_once_by_one(both, _):
    for number in range(10, 16):
        publish_at_last(number % 2, "order.created", number)
    wait_until(lambda: len(set(alerts(0))) == 6, "all are told")
    for which in (0, 1):
        for number in range(10, 16):
            wait_until(lambda n=number, w=which: state(w, n) == "overdue", f"{number} is overdue")
        check_equal(sorted(alerts(which)), sorted(str(number) for number in range(10, 16)), "each once")
    check_equal(sorted(told(each) for each in both), [0, 6], "by whom")


@case
def another_goes_on_when_it_is_killed(both, _):
    owner = 0 if told(both[0]) else 1
    other = 1 - owner
    for number in range(20, 26):
        publish_at_last(number % 2, "order.created", number)
    both[owner].kill()  # before it is due
    wait_until(lambda: len(set(alerts(other))) == 12, "the other tells", LEASE)
    check_equal(len(alerts(other)), 12, "each once")
    wait_until(lambda: all(state(other, number) == "overdue" for number in range(20, 26)), "it says so", LEASE)
    check(told(both[other]) >= 1, "told by the other")
    position = publish_at_last(other, "payment.failed", 20, "order.created")
    found = picture(other, 20, position).json()
    check_equal((found["state"], [event["late"] for event in found["events"]]), ("undone", [False, True]), "it goes on")
    both[owner].spawn()
    both[owner].await_ready()
    wait_until(lambda: state(owner, 20) == "undone" and state(owner, 1) == "ok", "the first answers again", LEASE)
    check_equal(picture(owner, 21).json()["events"], picture(other, 21).json()["events"], "both say the same")
    check_equal(len(alerts(owner)), 12, "nothing is told again")


def run():
    with kill_kit.two_over_postgres(config, [ports["admin"] for ports in PORTS]) as (programs, _):
        return main(programs, None)


if __name__ == "__main__":
    try:
        sys.exit(run())
    except Failed as error:
        sys.exit(f"FAILED  {error}")
