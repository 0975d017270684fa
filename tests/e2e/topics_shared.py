"""A topic of two processes over one PostgreSQL is deleted at either; the one that deletes is killed, and the other goes on.

Skipped where there is no PostgreSQL.
"""
import json
import sys
import threading

import kill_kit
from kit import SLOWDOWN, Failed, ask, case, check, check_equal, check_problem, main, wait_until

PORTS = [{"admin": 22880, "api": 22881}, {"admin": 22882, "api": 22883}]
LEASE = 60 * SLOWDOWN  # seconds within which another process takes over, generously
ANN = b'{"who": "ann", "why": "she asked for it"}'


def config(which, url):
    ports = PORTS[which]
    return f"""admin: {{ listen: 127.0.0.1:{ports["admin"]} }}
api: {{ listen: 127.0.0.1:{ports["api"]}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{url}" }}
topics:
  notes: {{}}
  others: {{}}
  short: {{ retain: 1d }}
views:
  latest: {{ from: [others], key: .n, fold: $data.n }}
"""


def publish(which, topic, numbers, prefix="n"):
    """Until it is taken: a shard may be without an owner for a moment."""
    batch = json.dumps([{"id": f"{prefix}{n}", "source": "/n", "data": {"n": n}} for n in numbers]).encode()
    answers = []

    def taken():
        answers.append(ask(PORTS[which]["api"], "POST", f"/v1/topics/{topic}", [("Content-Type", "application/cloudevents-batch+json")], batch))
        check(answers[-1].status in (202, 503), f"status: {answers[-1].body}")
        return answers[-1].status == 202

    wait_until(taken, f"{topic} is published", LEASE)
    return answers[-1].json()["events"]


def page_of(which, topic, token):
    """Of a shard that another process has it is known a little later how far it has come; until then 503."""
    answers = []

    def answered():
        answers.append(ask(PORTS[which]["api"], "GET", f"/v1/topics/{topic}?from={token}&limit=1000"))
        check(answers[-1].status in (200, 503), f"reading {topic}: {answers[-1].body}")
        return answers[-1].status == 200

    wait_until(answered, f"{topic} is read", LEASE)
    return answers[-1].json()


def read(which, topic):
    """What another process has published is read a moment later."""
    numbers, token = [], "0"
    while True:
        page = page_of(which, topic, token)
        token = page["next"]
        if not page["events"]:
            return numbers
        numbers += [event["data"]["n"] for event in page["events"]]


def delete(flotilla, topic):
    """Until it is taken: a process that has no shard for a moment says 503."""
    answers = []

    def taken():
        answers.append(flotilla.admin("DELETE", f"/api/v1/topics/{topic}", ANN))
        check(answers[-1].status in (200, 202, 503), f"status: {answers[-1].status} {answers[-1].body}")
        return answers[-1].status != 503

    wait_until(taken, f"the deletion of {topic} is taken", LEASE)


def deletions(flotilla, topic):
    return flotilla.admin("GET", f"/api/v1/topics/{topic}").json()["deletions"]


def is_deleted(flotilla, topic, count):
    found = deletions(flotilla, topic)
    return len(found) == count and all(each["state"] == "deleted" for each in found)


@case
def deleted_at_either_it_is_gone_at_both(both, _):
    for which in (0, 1):
        for topic in ("notes", "others", "short"):
            publish(which, topic, range(10), f"p{which}-")
    for count, which in enumerate((0, 1), 1):
        for topic in ("notes", "short"):
            wait_until(lambda t=topic: read(0, t) and read(1, t), "both read it, so that it is in memory")
            delete(both[which], topic)
            for reader in (0, 1):
                wait_until(lambda r=reader, t=topic, c=count: is_deleted(both[r], t, c), "it is done")
                wait_until(lambda r=reader, t=topic: read(r, t) == [], "nothing is read")
            wait_until(lambda: len(read(0, "others")) == 20, "the others stay")
            again = publish(1 - which, topic, [1], "p0-")
            check_equal(again[0]["duplicate"], False, "an id that was deleted is new")
            wait_until(lambda t=topic: (read(0, t), read(1, t)) == ([1], [1]), "what is read from then on")
        said = deletions(both[1 - which], "notes")[0]
        check_equal((said["who"], said["why"]), ("ann", "she asked for it"), "who and why")
    check_problem(both[0].admin("DELETE", "/api/v1/topics/others", ANN), 409, "conflict")
    check_problem(both[1].admin("DELETE", "/api/v1/topics/none", ANN), 404, "not-found")


@case
def another_goes_on_when_the_one_that_deletes_is_killed(both, _):
    for part in range(12):
        publish(part % 2, "notes", range(part * 1000, part * 1000 + 1000), "k")
    before = len(deletions(both[1], "notes"))
    asking = threading.Thread(target=lambda: try_to_delete(both[0]))
    asking.start()
    wait_until(lambda: len(deletions(both[1], "notes")) > before, "it has begun")
    both[0].kill()
    asking.join()
    wait_until(lambda: is_deleted(both[1], "notes", before + 1), "the other has done it", LEASE)
    wait_until(lambda: read(1, "notes") == [], "nothing is read")
    both[0].spawn()
    both[0].await_ready()
    check_equal(read(0, "notes"), [], "what the first reads")
    publish(0, "notes", [7], "k")
    wait_until(lambda: (read(0, "notes"), read(1, "notes")) == ([7], [7]), "what is published later stays")


def try_to_delete(flotilla):
    try:
        delete(flotilla, "notes")
    except (OSError, Failed):  # killed
        pass


def run():
    with kill_kit.two_over_postgres(config, [ports["admin"] for ports in PORTS]) as (programs, _):
        return main(programs, None)


if __name__ == "__main__":
    try:
        sys.exit(run())
    except Failed as error:
        sys.exit(f"FAILED  {error}")
