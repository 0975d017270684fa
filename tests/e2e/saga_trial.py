"""What the trials of durable sagas share: the services' process, coming to rest, the judgement, an operator's repairs.

saga_kill kills one program, saga_kill_postgres two that share a database; what must hold at the end is the same.
"""
import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import saga_load
from kit import SLOWDOWN, AsyncClient, Failed, ask, check
from saga_history import TERMINAL, History, coverage, tell, violations

BUSY = ("scheduled", "running", "committed", "held", "compensating")
REST = 60 * SLOWDOWN  # seconds until all is at rest: takeover waits, and undos back off up to a minute
ROUNDS = 5            # of repairing: one suspension may follow another
SHOWN = 5             # violations told in full


def say(text):
    print(f"{time.monotonic() - say.begun:7.2f} s  {text}", flush=True)


say.begun = time.monotonic()


class Ledger:
    """The services, in a process of their own."""

    def __init__(self, port):
        self.port = port

    def __enter__(self):
        script = pathlib.Path(__file__).with_name("ledger.py")
        self.process = subprocess.Popen([sys.executable, str(script), "--port", str(self.port)], stdout=subprocess.PIPE)
        check(self.process.stdout.readline() == b"ready\n", "the ledger does not start")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def report(self):
        return ask(self.port, "GET", "/ledger", timeout=60 * SLOWDOWN).json()

    def heal(self):
        ask(self.port, "GET", "/heal")


# --- at the end -----------------------------------------------------------------------------------------

async def get(http, path):
    """Asks again, as the answer asks for, while shards move from one process to another."""
    end = time.monotonic() + REST
    while True:
        status, message, _ = await http.request("GET", path)
        if status != 503 or time.monotonic() > end:
            check(status == 200, f"GET {path}: {status} {message.body[:300]!r}")
            return message.json()
        await asyncio.sleep(0.2)


async def come_to_rest(http):
    """Waits until no saga is busy and no service owes a callback, for as long as there are fewer and fewer: many may queue
    for one lock. If that does not happen the rules say what hangs."""
    fewest, end = None, 0.0
    while True:
        counts = {state: count for state in BUSY if (count := await count_of(http, state))}
        if not counts:
            return
        if fewest is None or sum(counts.values()) < fewest:
            fewest, end = sum(counts.values()), time.monotonic() + REST
        if time.monotonic() > end:
            say(f"for {REST:.0f} s there have been no fewer busy sagas than {fewest}: {counts}")
            return
        await asyncio.sleep(0.1)


async def count_of(http, state):
    return sum(each["count"] for each in (await get(http, "/v1/sagas/count"))["items"] if each["state"] == state)


async def all_views(http):
    """Every saga the API lists, in full."""
    ids, after = [], ""
    while True:
        page = await get(http, f"/v1/sagas?limit=1000{after}")
        ids += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    check(len(ids) == len(set(ids)), "the list shows a saga twice")
    return {id_: await get(http, f"/v1/sagas/{id_}") for id_ in ids}


async def submit_again(http, clients, rng):
    """I13: the same key with the same input is the same saga, with another it is refused."""
    for wanted in rng.sample(clients.wanted, min(300, len(clients.wanted))):
        submit = wanted.submit
        fields = f'Idempotency-Key: "{submit.key}"\r\nContent-Type: application/json\r\n'
        for body, good in ((submit.body, (200, 202)), ({**submit.body, "order": "another"}, (422,))):
            status = 503  # as long as a shard is on its way to another owner
            while status == 503:
                status, message, _ = await http.request("POST", f"/v1/sagas/{submit.saga}", json.dumps(body).encode(), fields)
            check(status in good, f"{submit.key} again: {status} {message.body[:300]!r}, wanted {good}")
            if status == 422:
                check(message.get("Flotilla-Error") == "key-reused", f"{submit.key} with another input: {message.body!r}")
            else:
                submit.ids.add(message.json()["id"])


def judge(clients, views, ledger, what, more=(), outages=()):
    """Prints what is wrong, in full for the first few; the number of violations. `more`: rules of the whole."""
    history = History(saga_load.DEFINITIONS, [wanted.submit for wanted in clients.wanted], views, ledger, outages)
    found = violations(history) + [(rule.__name__, "", text) for rule in more for text in rule(history)]
    counts = {}
    for rule, id_, text in found:
        counts[rule] = counts.get(rule, 0) + 1
        if counts[rule] <= SHOWN:
            print(f"VIOLATION  {rule}: {id_} {text}")
            if id_ and counts[rule] == 1:
                print(tell(history.stories[id_]))
    say(f"{what}: {len(history.stories)} sagas, {len(ledger['entries'])} operations, {len(ledger['events'])} events at the services "
        f"(which were late by {ledger['lag']:.1f} s at most); {len(found)} violations {counts or ''}")
    return len(found), history


def owner_of(clients):
    return {id_: wanted for wanted in clients.wanted for id_ in wanted.submit.ids}


async def repair(flotilla, http, clients, views):
    """An operator, after the services were healed, leads every suspended saga out (I22)."""
    owners, repaired = owner_of(clients), 0
    for _ in range(ROUNDS):
        stuck = [view for view in views.values() if view["state"] == "suspended" and view["id"] in owners]
        if not stuck:
            break
        for view in stuck:
            verb = owners[view["id"]].repair(view)
            body = json.dumps({"who": "the test", "why": "the service was healed"}).encode()
            answer = await asyncio.to_thread(flotilla.admin, "POST", f"/api/v1/sagas/{view['id']}/{verb}", body)
            check(answer.status in (200, 202), f"{verb} of {view['id']} ({view['suspension']}): {answer.status} {answer.body!r}")
            repaired += 1
        await come_to_rest(http)
        views = await all_views(http)
    say(f"an operator repaired {repaired} suspensions")
    return views


async def conclude(name, flotilla, ledger, clients, rng, seed, more=(), outages=()):
    """After the load: everything comes to rest and is judged, is repaired and judged again. All sagas, as they are then."""
    say(f"the load ends: {len(clients.wanted)} sagas, {clients.lost} broken or refused connections, answers {clients.answers}")
    http = AsyncClient(clients.apis[0])
    await come_to_rest(http)
    await submit_again(http, clients, rng)
    views = await all_views(http)
    report = ledger.report()
    wrong, history = judge(clients, views, report, "at rest", more, outages)
    seen = coverage(history)

    ledger.heal()
    views = await repair(flotilla, http, clients, views)
    report = ledger.report()
    wrong += judge(clients, views, report, "repaired", more, outages)[0]
    http.close()

    for id_, state in clients.final.items():
        if views.get(id_, {}).get("state") != state:
            clients.wrong.append(f"saga {id_} was seen {state}, and is {views.get(id_, {}).get('state')}")
    for text in clients.wrong[:SHOWN]:
        print(f"VIOLATION  {text}")
    wrong += len(clients.wrong)

    print("what was seen:")
    for what, count in sorted(seen.items()):
        print(f"  {count:7}  {what}")
    check(all(view["state"] in TERMINAL for view in views.values()) or wrong, "a suspended saga was not led out")
    if wrong:
        kept = pathlib.Path(tempfile.gettempdir()) / f"{name}-{seed}.json"
        kept.write_text(json.dumps({"views": views, "ledger": report}))
        print(f"the whole history is in {kept}")
    check(not wrong, f"{wrong} violations")
    check(seen["operations sent by several owners"] and seen["undos"], "the kills met nothing: no operation was sent by two owners")
    return views
