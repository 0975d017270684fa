"""Views of the shipped program under kill -9: whatever happens, a view is the fold of its events, and readers see what they wrote.

Publishers publish numbered events, and read the view with the Position they were given, while the program is killed at random
moments and its file changes between two folds, so that versions are built beside others and take their places. In the
end the rows of each view must be a fold from scratch, done here, of the events of its topics in their order (P1, P3); every answer
with Read-After must have had all of its reader's events (P4), by one fold or the other and never a mixture (P10).

    python3 tests/e2e/views_kill.py --kills 100 --seed 7      ctest runs 8
"""
import asyncio
import random
import sys

import kill_kit
from kit import PATIENCE, AsyncClient, Flotilla, check, check_equal

API, ADMIN = 22660, 22661
PUBLISHERS = 6
TOPICS = ("orders", "payments")

# Two folds over the rows; what each makes of a row, here again, is in fold().
FOLDS = {
    "first": "if $event.type == \"payments\" and $data.n % 7 == 0 then null else {fold: \"first\", count: ((.count // 0) + 1), last: $data.n} end",
    "second": "{fold: \"second\", count: ((.count // 0) + 1), sum: ((.sum // 0) + $data.n)}",
}


def config(fold):
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "sqlite:data/views.db" }}
views:
  rows: {{ from: [orders, payments], key: .user, row: .item, fold: '{FOLDS[fold]}' }}
  totals: {{ from: [orders], key: .user, fold: '(. // 0) + $data.n' }}
"""


def fold(name, events):
    rows = {}
    for topic, data in events:
        key = (data["user"], data["item"])
        row = rows.get(key)
        count = (row["count"] if row else 0) + 1
        if name == "first":
            rows[key] = None if topic == "payments" and data["n"] % 7 == 0 else {"fold": name, "count": count, "last": data["n"]}
        else:
            rows[key] = {"fold": name, "count": count, "sum": (row["sum"] if row else 0) + data["n"]}
    return {key: row for key, row in rows.items() if row is not None}


async def publish(name, seed, ended, mine):
    """Its user is its own, so it knows what the view must say of it; reads follow writes."""
    rng, client, number = random.Random(f"{seed}/{name}"), AsyncClient(API), 0
    while not ended.is_set():
        data = {"user": name, "item": f"i{rng.randrange(4)}", "n": number}
        topic = rng.choice(TOPICS)
        fields = f"ce-id: {name}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\n"
        answer = await kill_kit.publish(client, topic, data, fields)
        mine.append((topic, data))
        number += 1
        if rng.random() < 0.5:
            await read_own_write(client, name, answer.get("Position"), mine)
        await asyncio.sleep(rng.random() * 0.02)
    client.close()


async def read_own_write(client, name, position, mine):
    for view in ("rows", "totals"):
        try:
            status, answer, _ = await client.request("GET", f"/v1/views/{view}/{name}?wait=5s", b"", f"Read-After: {position}\r\n")
        except ConnectionError:
            return
        if status == 503:
            continue  # it stops, or is not so far yet
        if view == "totals":
            wanted = sum(data["n"] for topic, data in mine if topic == "orders")
            check_equal(answer.json() if status == 200 else 0, wanted, f"P4: the total of {name} at {position}")
            continue
        rows = answer.json() if status == 200 else []
        kinds = {row["fold"] for row in rows}
        check(len(kinds) <= 1, f"P10: rows of both folds in one answer: {rows}")
        for kind in kinds or {"first"}:
            wanted = [row for _, row in sorted(fold(kind, mine).items())]
            check_equal(rows, wanted, f"P4: the rows of {name} at {position} by the {kind} fold")
        READS[0] += 1


READS = [0]


async def events_in_order():
    """Of both topics, by their positions: each page of one event names its own."""
    found = []
    for topic in TOPICS:
        token = "0"
        while True:
            page = await kill_kit.get(API, f"/v1/topics/{topic}?from={token}&limit=1")
            token = page["next"]
            if not page["events"]:
                break
            found.append((int(token.split("-")[1]), topic, page["events"][0]["data"]))
    return [(topic, data) for _, topic, data in sorted(found, key=lambda each: each[0])]


async def kill_often(flotilla, kills, rng):
    current = "first"

    async def change(_):
        nonlocal current
        turn = rng.random()
        if turn < 0.4:  # another fold, by a reload, and perhaps at once a kill
            current = "second" if current == "first" else "first"
            flotilla.file.write_text(config(current))
            await asyncio.to_thread(flotilla.admin, "POST", "/api/v1/config/reload")
            await asyncio.sleep(rng.random() * 0.2)
        elif turn < 0.6:
            await asyncio.to_thread(flotilla.admin, "POST", "/api/v1/views/rows/rebuild")
            await asyncio.sleep(rng.random() * 0.1)

    await kill_kit.kill_often(flotilla, kills, rng, 0.8, before=change)
    return current


async def settled(flotilla):
    deadline = asyncio.get_running_loop().time() + PATIENCE * 2
    while True:
        views = (await asyncio.to_thread(flotilla.admin, "GET", "/api/v1/views")).json()["items"]
        # lag counts every record of the journal, so nothing is being published by now
        if all(view["state"] == "live" and view["lag"] == 0 for view in views):
            return views
        check(asyncio.get_running_loop().time() < deadline, f"the views do not settle: {views}\n{flotilla.said()[-2000:]}")
        await asyncio.sleep(0.2)


async def run(flotilla, kills, seed):
    ended, mine = asyncio.Event(), {f"p{n}": [] for n in range(PUBLISHERS)}
    publishing = [asyncio.create_task(publish(name, seed, ended, own)) for name, own in mine.items()]
    current = await kill_kit.beside(kill_often(flotilla, kills, random.Random(seed)), publishing)
    ended.set()
    await asyncio.gather(*publishing)
    views = await settled(flotilla)
    events = await events_in_order()
    check_equal(len(events), sum(len(own) for own in mine.values()), "events kept, and acknowledged")
    wanted = fold(current, events)
    got = {(item["key"], item["row"]): item["value"] for item in await kill_kit.items_of(API, "/v1/views/rows?limit=7")}
    check_equal(got, wanted, "P1: the rows, and a fold from scratch")
    totals = {}
    for topic, data in events:
        if topic == "orders":
            totals[data["user"]] = totals.get(data["user"], 0) + data["n"]
    check_equal({item["key"]: item["value"] for item in await kill_kit.items_of(API, "/v1/views/totals?limit=7")}, totals, "P1: the totals")
    shown = {view["name"]: view for view in views}
    check_equal(shown["rows"]["rows"], len(wanted), "rows that it says it has")
    check_equal(shown["rows"]["events"], len(events), "P3: events folded, and events")
    check(len(events) > 10 * kills, f"only {len(events)} events were published")
    print(f"{len(events)} events through {kills} kills, {READS[0]} reads of own writes, "
          f"{shown['rows']['version']} versions of the rows")


def trial(kills, seed):
    with Flotilla(config("first"), ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 8, trial))
