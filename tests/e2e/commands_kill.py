"""Commands of the shipped program under kill -9: what was acknowledged stays, and a key has one answer.

Clients send numbered additions to a few accounts that all of them share, half of them under keys, some of these several times at
once, while the program is killed at random moments and its `evolve` changes between two forms of the same state. Each
event says how many events the account had before it and what they sum up to, so the topic alone shows on which state each was
decided. In the end: versions are dense and every event was decided on exactly the state before it (P6, P7); every acknowledged
command is there, where it said it was; no key was executed twice, and all answers to it are equal, byte by byte (P8); the view is the
fold of all of it.

    python3 tests/e2e/commands_kill.py --kills 100 --seed 7      ctest runs 8
"""
import asyncio
import json
import random
import sys

import kill_kit
from kit import PATIENCE, AsyncClient, Flotilla, check, check_equal

API, ADMIN = 22764, 22765
CLIENTS = 6
ACCOUNTS = 3

FORMS = {
    "object": ("{n: ((.n // 0) + 1), sum: ((.sum // 0) + $data.by)}", ".n", ".sum"),
    "list": ("[((.[0]) // 0) + 1, ((.[1]) // 0) + $data.by]", "(. // [])[0]", "(. // [])[1]"),
}


def rules(form):
    """What both forms of the file say alike, but for the state."""
    evolve, count, total = FORMS[form]
    decide = (f'({count} // 0) as $n | ({total} // 0) as $sum | if $command.by < 0 then {{error: {{code: "negative", '
              f'message: "at \\($n)"}}}} else [{{type: "added", data: {{account: $command.account, n: ($n + 1), '
              f'sum: ($sum + $command.by), by: $command.by, tag: $command.tag}}}}] end')
    return f"""topics: {{ added: {{}} }}
aggregates:
  account:
    evolve: '{evolve}'
    snapshot_every: 7
    commands:
      add:
        id: .account
        decide: |
          {decide}
views:
  totals: {{ from: [added], key: .account, fold: '{{n: ((.n // 0) + 1), sum: ((.sum // 0) + $data.by)}}' }}
"""


def config(form):
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "sqlite:data/commands.db" }}
{rules(form)}"""


class Ledger:
    """What clients were told."""

    def __init__(self):
        self.answers = {}      # by key: (status, body) of the first
        self.acknowledged = {}  # by tag: the event's id
        self.unkeyed = set()   # tags that were sent, and may be there or not
        self.replayed = 0

    def told(self, key, tag, status, answer):
        if status == 200:
            events = answer.json()["events"]
            check_equal([event["data"]["tag"] for event in events], [tag], f"the answer to {tag}")
            self.acknowledged[tag] = events[0]["id"]
        if key is None:
            return
        known = self.answers.setdefault(key, (status, answer.body))
        check_equal((status, answer.body), known, f"P8: the answer to key {key}")
        self.replayed += 1 if answer.get("Idempotent-Replayed") else 0


async def send(client, ledger, body, key):
    """One request; None where it is not known what became of it."""
    fields = "Content-Type: application/json\r\n" + (f"Idempotency-Key: {key}\r\n" if key else "")
    try:
        status, answer, _ = await client.request("POST", "/v1/commands/add", json.dumps(body).encode(), fields)
    except ConnectionError:
        await asyncio.sleep(0.01)
        return None
    if status == 503 or status == 409:
        await asyncio.sleep(0.02)
        return None
    check_equal(status, 422 if body["by"] < 0 else 200, f"status: {answer.body}")
    ledger.told(key, body["tag"], status, answer)
    return status, answer


async def until_answered(client, ledger, body, key):
    while True:
        got = await send(client, ledger, body, key)
        if got is not None:
            return got


async def write(name, seed, ended, ledger):
    rng, client, others = random.Random(f"{seed}/{name}"), AsyncClient(API), [AsyncClient(API) for _ in range(2)]
    number = 0
    while not ended.is_set():
        tag = f"{name}-{number}"
        by = -1 if rng.random() < 0.1 else rng.randrange(10)
        body = {"account": f"a{rng.randrange(ACCOUNTS)}", "by": by, "tag": tag}
        number += 1
        if rng.random() < 0.5:  # without a key it is sent once, and what becomes of it is not always known
            ledger.unkeyed.add(tag)
            await send(client, ledger, body, None)
        elif rng.random() < 0.3:  # several times at once
            await asyncio.gather(*(until_answered(each, ledger, body, tag) for each in [client, *others]))
        else:
            await until_answered(client, ledger, body, tag)
            if rng.random() < 0.3:  # and again, perhaps after a kill
                await asyncio.sleep(rng.random() * 0.3)
                await until_answered(client, ledger, body, tag)
        await asyncio.sleep(rng.random() * 0.01)
    for each in [client, *others]:
        each.close()


async def kill_often(flotilla, kills, rng):
    form = "object"

    async def change(_):
        nonlocal form
        if rng.random() < 0.4:  # the other form of the state, by a reload or with the next start
            form = "list" if form == "object" else "object"
            flotilla.file.write_text(config(form))
            if rng.random() < 0.7:
                await asyncio.to_thread(flotilla.admin, "POST", "/api/v1/config/reload")
                await asyncio.sleep(rng.random() * 0.2)

    await kill_kit.kill_often(flotilla, kills, rng, 0.6, before=change)


async def all_events():
    events, token = [], "0"
    while True:
        page = await kill_kit.get(API, f"/v1/topics/added?from={token}&limit=500")
        if not page["events"]:
            return events, token
        events += page["events"]
        token = page["next"]


def check_events(events, ledger):
    states, tags = {}, {}
    for event in events:
        data = event["data"]
        n, total = states.get(data["account"], (0, 0))
        n, total = n + 1, total + data["by"]
        states[data["account"]] = (n, total)
        check_equal((data["n"], data["sum"]), (n, total), f"P6: the state on which event {event['id']} was decided")
        check_equal(event["id"], f"account/{data['account']}/{n}", "P7: its version")
        check(data["tag"] not in tags, f"P8: {data['tag']} was executed twice")
        tags[data["tag"]] = event["id"]
    for tag, identity in ledger.acknowledged.items():
        check_equal(tags.get(tag), identity, f"the event of {tag}, which was acknowledged")
    for tag in tags:
        check(tag in ledger.acknowledged or tag in ledger.unkeyed, f"{tag} is there, and nobody was told")
    return states


async def run(flotilla, kills, seed):
    ended, ledger = asyncio.Event(), Ledger()
    writing = [asyncio.create_task(write(f"c{n}", seed, ended, ledger)) for n in range(CLIENTS)]
    await kill_kit.beside(kill_often(flotilla, kills, random.Random(seed)), writing)
    ended.set()
    await asyncio.wait_for(asyncio.gather(*writing), PATIENCE * 2)
    # What was answered before any of the kills is the answer still.
    client = AsyncClient(API)
    before = ledger.replayed
    for key in random.Random(seed).sample(sorted(ledger.answers), min(100, len(ledger.answers))):
        status, body = ledger.answers[key]
        account = json.loads(body)["id"] if status == 200 else None
        if account is not None:
            data = json.loads(body)["events"][0]["data"]
            again = {"account": account, "by": data["by"], "tag": key}
            await until_answered(client, ledger, again, key)
    client.close()
    check(ledger.replayed > before, "no key was asked again")
    events, token = await all_events()
    states = check_events(events, ledger)
    for account, (n, total) in states.items():
        row = await kill_kit.get(API, f"/v1/views/totals/{account}?wait=10s", f"Read-After: {token}\r\n")
        check_equal(row, {"n": n, "sum": total}, f"the view of {account}")
    check(len(events) > 10 * kills, f"only {len(events)} events")
    refused = sum(1 for status, _ in ledger.answers.values() if status == 422)
    print(f"{len(events)} events through {kills} kills, {len(ledger.acknowledged)} acknowledged, {len(ledger.answers)} keys "
          f"({refused} refused), {ledger.replayed} answered again")


def trial(kills, seed):
    with Flotilla(config("object"), ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 8, trial))
