"""Views of two programs over one PostgreSQL, through kills and changes of owner: what views_kill.py checks, from both.

Publishers publish at either program, and read their views at either with the Position they were given, while programs are
killed, asked to end, or stopped for longer than their leases last and then continued, the database is restarted as after a
crash, and the file changes between two folds. A user's events lie in one topic each, so their order is known. In the end both
programs must say the same rows, a fold from scratch, done here, of the events of the topics; every answer with Read-After must
have had all of its reader's events, by one fold or the other and never a mixture.

    python3 tests/e2e/views_kill_postgres.py --kills 60 --seed 7      ctest runs 5
"""
import asyncio
import json
import random
import sys

import kill_kit
from kit import PATIENCE, SLOWDOWN, AsyncClient, check, check_equal
from views_kill import FOLDS, fold

APIS, ADMINS = (22670, 22672), (22671, 22673)
PUBLISHERS = 6
TOPICS = ("orders", "payments")


def config(which, url, fold_name="first"):
    return f"""admin: {{ listen: 127.0.0.1:{ADMINS[which]} }}
api: {{ listen: 127.0.0.1:{APIS[which]}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{url}" }}
views:
  rows: {{ from: [orders, payments], key: .user, row: .item, fold: '{FOLDS[fold_name]}' }}
  totals: {{ from: [orders, payments], key: .user, fold: '(. // 0) + $data.n' }}
"""


class Publisher:
    """Its user is its own, so it knows what the views must say of it; reads follow writes."""

    def __init__(self, number, seed):
        self.name, self.topic = f"p{number}", TOPICS[number % 2]
        self.rng = random.Random(f"{seed}/{self.name}")
        self.clients = [AsyncClient(api) for api in APIS]
        self.mine = []
        self.reads = 0

    async def request(self, method, path, body=b"", fields=""):
        """At either, the same again until there is an answer that is not 503."""
        while True:
            try:
                status, answer, _ = await asyncio.wait_for(
                    self.rng.choice(self.clients).request(method, path, body, fields), 15 * SLOWDOWN)
            except (ConnectionError, asyncio.TimeoutError):  # killed, or stopped
                self.clients = [AsyncClient(api) for api in APIS]
                await asyncio.sleep(0.02)
                continue
            if status != 503:
                return status, answer
            await asyncio.sleep(0.05)

    async def run(self, ended):
        while not ended.is_set():
            number = len(self.mine)
            data = {"user": self.name, "item": f"i{self.rng.randrange(4)}", "n": number}
            fields = f"ce-id: {self.name}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\n"
            status, answer = await self.request("POST", f"/v1/topics/{self.topic}", json.dumps(data).encode(), fields)
            check_equal(status, 202, f"status: {answer.body}")
            self.mine.append((self.topic, data))
            if self.rng.random() < 0.5:
                await self.read(answer.get("Position"))
            await asyncio.sleep(self.rng.random() * 0.02)

    async def read(self, position):
        for view in ("rows", "totals"):
            status, answer = await self.request("GET", f"/v1/views/{view}/{self.name}?wait=5s", b"", f"Read-After: {position}\r\n")
            if view == "totals":
                wanted = sum(data["n"] for _, data in self.mine)
                check_equal(answer.json() if status == 200 else 0, wanted, f"P4: the total of {self.name} at {position}")
                continue
            rows = answer.json() if status == 200 else []
            kinds = {row["fold"] for row in rows}
            check(len(kinds) <= 1, f"P10: rows of both folds in one answer: {rows}")
            for kind in kinds or {"first"}:
                wanted = [row for _, row in sorted(fold(kind, self.mine).items())]
                check_equal(rows, wanted, f"P4: the rows of {self.name} at {position} by the {kind} fold")
            self.reads += 1


async def change_fold(programs, url, current, rng):
    """In both files, and not at the same time."""
    for which in rng.sample((0, 1), 2):
        programs[which].file.write_text(config(which, url, current))
        await asyncio.to_thread(programs[which].admin, "POST", "/api/v1/config/reload")
        await asyncio.sleep(rng.random() * 0.1)


async def disturb(programs, database, kills, rng):
    current = "first"

    async def change():
        nonlocal current
        turn = rng.random()
        if turn < 0.4:
            current = "second" if current == "first" else "first"
            await change_fold(programs, database.url, current, rng)
        elif turn < 0.6:
            for each in programs:  # one of them runs it
                await asyncio.to_thread(each.admin, "POST", "/api/v1/views/rows/rebuild")

    await kill_kit.disturb(programs, database, kills, rng, when_ready=change)
    return current


async def settled(programs):
    deadline = asyncio.get_running_loop().time() + PATIENCE * 3
    while True:
        told = [(await asyncio.to_thread(each.admin, "GET", "/api/v1/views")).json()["items"] for each in programs]
        views = [view for items in told for view in items]
        here = [view["name"] for view in views if view["here"]]
        if all(view["state"] == "live" and view["lag"] == 0 for view in views) and sorted(here) == ["rows", "totals"]:
            return {view["name"]: view for view in views if view["here"]}
        check(asyncio.get_running_loop().time() < deadline,
              f"the views do not settle: {views}\n{programs[0].said()[-2000:]}\n{programs[1].said()[-2000:]}")
        await asyncio.sleep(0.2)


async def rows_of(api, view):
    return {(item["key"], item.get("row")): item["value"] for item in await kill_kit.items_of(api, f"/v1/views/{view}?limit=7")}


async def run(programs, database, kills, seed):
    ended, publishers = asyncio.Event(), [Publisher(number, seed) for number in range(PUBLISHERS)]
    publishing = [asyncio.create_task(each.run(ended)) for each in publishers]
    current = await kill_kit.beside(disturb(programs, database, kills, random.Random(seed)), publishing)
    ended.set()
    await asyncio.gather(*publishing)
    shown = await settled(programs)
    events = [(topic, event["data"]) for topic in TOPICS for event in await kill_kit.events_of(APIS[0], topic)]
    check_equal(len(events), sum(len(each.mine) for each in publishers), "events kept, and acknowledged")
    wanted = fold(current, events)
    totals = {(each.name, None): sum(data["n"] for _, data in each.mine) for each in publishers if each.mine}
    for name, api in zip("AB", APIS):
        check_equal(await rows_of(api, "rows"), wanted, f"P1: the rows that {name} says, and a fold from scratch")
        check_equal(await rows_of(api, "totals"), totals, f"P1: the totals that {name} says")
    check_equal(shown["rows"]["rows"], len(wanted), "rows that it says it has")
    check_equal(shown["rows"]["events"], len(events), "P3: events folded, and events")
    check(len(events) > 10 * kills, f"only {len(events)} events were published")
    print(f"{len(events)} events through {kills} kills and the like, {sum(each.reads for each in publishers)} reads of own writes, "
          f"{shown['rows']['version']} versions of the rows")


def trial(kills, seed):
    with kill_kit.two_over_postgres(config, ADMINS) as (programs, database):
        asyncio.run(run(programs, database, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 5, trial))
