"""Commands of two programs over one PostgreSQL, through kills and changes of owner: what commands_kill.py checks, from both.

Clients send numbered additions to accounts that all of them share, each at either program, half of them under keys, some of these
at both programs at once, some with the version that they expect, while programs are killed, asked to end, or stopped for longer
than their leases last and then continued, the database is restarted as after a crash, and `evolve` changes between two forms of
the same state. In the end no acknowledged command is lost and none was executed twice, whoever was asked; versions are gapless
and every event was decided on exactly the state before it; all answers to one key are equal; both programs show each account as a
fold from scratch, done here, has it: now, and as of earlier versions.

    python3 tests/e2e/commands_kill_postgres.py --kills 40 --seed 7      ctest runs 3
"""
import asyncio
import json
import random
import sys

import kill_kit
from commands_kill import Ledger, check_events, rules
from kit import PATIENCE, SLOWDOWN, AsyncClient, check, check_equal, wait_until

APIS, ADMINS = (22856, 22858), (22857, 22859)
CLIENTS = 8
ACCOUNTS = 12


def config(which, url, form="object"):
    return f"""admin: {{ listen: 127.0.0.1:{ADMINS[which]} }}
api: {{ listen: 127.0.0.1:{APIS[which]}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{url}" }}
{rules(form)}"""


class Client:
    """Knows what it was told, and sends what it does not know the fate of again, at either program, if it has a key."""

    def __init__(self, number, seed, ledger):
        self.name, self.ledger = f"c{number}", ledger
        self.rng = random.Random(f"{seed}/{self.name}")
        self.doors = [AsyncClient(api) for api in APIS]
        self.versions = {}  # of accounts, as it last heard
        self.conditional = 0

    async def send(self, door, body, key=None, version=None):
        """One request; None where it is not known what became of it, or nothing did."""
        fields = "Content-Type: application/json\r\n"
        fields += f"Idempotency-Key: {key}\r\n" if key else ""
        fields += f'If-Match: "{version}"\r\n' if version is not None else ""
        try:
            status, answer, _ = await asyncio.wait_for(
                self.doors[door].request("POST", "/v1/commands/add", json.dumps(body).encode(), fields), 15 * SLOWDOWN)
        except (ConnectionError, asyncio.TimeoutError):  # killed, or stopped
            self.doors[door] = AsyncClient(APIS[door])
            await asyncio.sleep(0.02)
            return None
        if status in (409, 503):
            await asyncio.sleep(0.03)
            return None
        check_equal(status, 422 if body["by"] < 0 else 200, f"status: {answer.body}")
        self.ledger.told(key, body["tag"], status, answer)
        if status == 200:
            self.versions[body["account"]] = answer.json()["version"]
            if version is not None:
                check_equal(answer.json()["version"], version + 1, f"P6: the version of {body['tag']}, sent with If-Match")
                self.conditional += 1
        return status

    async def until_answered(self, door, body, key, stays=False):
        """A connection carries one request at a time: who asks at both at once stays where he is."""
        while await self.send(door, body, key) is None:
            door = door if stays else self.rng.randrange(2)

    async def run(self, ended):
        number = 0
        while not ended.is_set():
            tag, account = f"{self.name}-{number}", f"a{self.rng.randrange(ACCOUNTS)}"
            body = {"account": account, "by": -1 if self.rng.random() < 0.1 else self.rng.randrange(10), "tag": tag}
            number += 1
            turn = self.rng.random()
            if turn < 0.4:  # without a key it is sent once, and what becomes of it is not always known
                self.ledger.unkeyed.add(tag)
                await self.send(self.rng.randrange(2), body, None, self.versions.get(account) if turn < 0.1 else None)
            elif turn < 0.6:  # at both at once
                await asyncio.gather(*(self.until_answered(door, body, tag, stays=True) for door in (0, 1)))
            else:
                await self.until_answered(self.rng.randrange(2), body, tag)
                if self.rng.random() < 0.3:  # and again, perhaps after a change of owners
                    await asyncio.sleep(self.rng.random() * 0.3)
                    await self.until_answered(self.rng.randrange(2), body, tag)
            await asyncio.sleep(self.rng.random() * 0.02)


async def change_form(programs, url, form, rng):
    """In both files, and not at the same time; or only with the next start."""
    for which in rng.sample((0, 1), 2):
        programs[which].file.write_text(config(which, url, form))
        if rng.random() < 0.7:
            await asyncio.to_thread(programs[which].admin, "POST", "/api/v1/config/reload")
            await asyncio.sleep(rng.random() * 0.1)


async def disturb(programs, database, kills, rng):
    form = "object"

    async def change():
        nonlocal form
        if rng.random() < 0.4:
            form = "list" if form == "object" else "object"
            await change_form(programs, database.url, form, rng)

    await kill_kit.disturb(programs, database, kills, rng, when_ready=change)
    for which, each in enumerate(programs):  # one form, whichever it is
        each.file.write_text(config(which, database.url, form))
        check((await asyncio.to_thread(each.admin, "POST", "/api/v1/config/reload")).status < 300, "the reload")
    return form


def shown(program, account, query=""):
    def look():
        answer = program.admin("GET", f"/api/v1/aggregates/account{account}{query}")
        return answer if answer.status != 503 else None  # it finds its database again

    answer = wait_until(look, f"the program shows account{account}")
    check_equal(answer.status, 200, f"what is shown of account{account}: {answer.body}")
    return answer.json()


def check_aggregates(programs, events, form, rng):
    """What both show of each account, now and as of earlier versions, is the fold from scratch."""
    by_account = {}
    for event in events:
        by_account.setdefault(event["data"]["account"], []).append(event)
    for program in programs:
        ids = [item["id"] for item in shown(program, "", "?limit=500")["items"]]
        check_equal(sorted(ids), sorted(by_account), "the accounts that are listed")
    for account, mine in by_account.items():
        for at in {1, len(mine), rng.randint(1, len(mine)), rng.randint(1, len(mine))}:
            total = sum(event["data"]["by"] for event in mine[:at])
            state = {"n": at, "sum": total} if form == "object" else [at, total]
            for program in programs:
                now = at == len(mine) and rng.random() < 0.5
                seen = shown(program, f"/{account}", "" if now else f"?at={at}")
                check_equal((seen["version"], seen["newest"], seen["state"]), (at, len(mine), state), f"{account} at version {at}")
        pages, after = [], 0
        while after is not None:
            page = shown(programs[len(mine) % 2], f"/{account}", f"?limit=200&after={after}")
            pages += page["items"]
            after = page["next"]
        check_equal([(item["version"], item["id"], item["data"]) for item in pages],
                    [(number + 1, event["id"], event["data"]) for number, event in enumerate(mine)], f"the events of {account}")


async def run(programs, database, kills, seed):
    ended, ledger = asyncio.Event(), Ledger()
    clients = [Client(number, seed, ledger) for number in range(CLIENTS)]
    writing = [asyncio.create_task(client.run(ended)) for client in clients]
    form = await kill_kit.beside(disturb(programs, database, kills, random.Random(seed)), writing)
    ended.set()
    await asyncio.wait_for(asyncio.gather(*writing), PATIENCE * 4)
    # What was answered before any of it is the answer still, at both.
    rng = random.Random(seed)
    for key in rng.sample(sorted(ledger.answers), min(60, len(ledger.answers))):
        status, body = ledger.answers[key]
        if status == 200:
            data = json.loads(body)["events"][0]["data"]
            again = {"account": data["account"], "by": data["by"], "tag": key}
            for door in (0, 1):
                await clients[0].until_answered(door, again, key, stays=True)
    events, others = [await kill_kit.events_of(api, "added") for api in APIS]
    check_equal(sorted(event["id"] for event in others), sorted(event["id"] for event in events), "events at both")
    check_events(events, ledger)
    await asyncio.to_thread(check_aggregates, programs, events, form, rng)
    check(len(events) > 5 * kills, f"only {len(events)} events")
    refused = sum(1 for status, _ in ledger.answers.values() if status == 422)
    print(f"{len(events)} events through {kills} kills and the like, {len(ledger.acknowledged)} acknowledged, {len(ledger.answers)} "
          f"keys ({refused} refused), {ledger.replayed} answered again, {sum(client.conditional for client in clients)} with If-Match")


def trial(kills, seed):
    with kill_kit.two_over_postgres(config, ADMINS) as (programs, database):
        asyncio.run(run(programs, database, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 3, trial))
