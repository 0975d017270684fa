"""Choreographies of the shipped program under kill -9: pictures stay right, and what is overdue is told once.

Publishers publish orders whose payments come in time, late or never, while the program is killed at random moments and its file
changes between two definitions. In the end each picture must be what a second opinion, written here, says of the order's events; each wait that is
still open must have been told exactly once, no wait twice, and none before it was due.

    python3 tests/e2e/choreographies_kill.py --kills 100 --seed 7      ctest runs 6
"""
import asyncio
import datetime
import json
import random
import sys

import kill_kit
from kit import PATIENCE, AsyncClient, Failed, Flotilla, check, check_equal

API, ADMIN = 22840, 22841
PUBLISHERS = 4
WITHIN = 400  # ms
TOPICS = ("created", "paid", "refused", "shipped", "canceled", "noted")


def config(also, api=API, admin=ADMIN, store="sqlite:data/c.db"):
    return f"""admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{store}" }}
choreographies:
  order:
    correlate: .order
    start: created
    expect:
      - {{ after: created, one_of: [paid, refused], within: {WITHIN}ms }}
      - {{ after: paid, all_of: [shipped, noted], within: {2 * WITHIN}ms }}
      - {{ after: refused, one_of: [canceled] }}
    end: {{ ok: [shipped], undone: [canceled] }}
    also: [{also}]
    on_overdue: {{ event: overdue }}
"""


EXPECT = [("created", False, ["paid", "refused"], WITHIN), ("paid", True, ["shipped", "noted"], 2 * WITHIN), ("refused", False, ["canceled"], 0)]


def second_opinion(events, also):
    """Open waits, ids of unexpected events, and the end: of the events (topic, id, recorded) of one order, in order."""
    waits, unexpected, end, started = [], [], None, False
    for topic, event_id, recorded in events:
        had, fulfilled = set(), False
        for wait in waits:
            if topic in wait["missing"] and wait["number"] not in had:
                had.add(wait["number"])
                fulfilled = True
                wait["missing"] = [each for each in wait["missing"] if each != topic] if EXPECT[wait["number"]][1] else []
        waits = [wait for wait in waits if wait["missing"]]
        starts = topic == "created" and not started
        started = started or starts
        if not (starts or fulfilled or topic in also):
            unexpected.append(event_id)
        for number, (after, _all, topics, within) in enumerate(EXPECT):
            if after == topic:
                waits.append({"number": number, "after": after, "event": event_id, "missing": list(topics),
                              "due": recorded + within if within else None})
        end = {"shipped": "ok", "canceled": "undone"}.get(topic, end)
    return waits, unexpected, end


async def publish(client, topic, order, number, cause):
    fields = f"ce-id: {order}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\nCorrelation-Id: k-{order}\r\nCausation-Id: {cause}\r\n"
    await kill_kit.publish(client, topic, {"order": order}, fields)


FLOWS = [["created", "paid", "shipped", "noted"], ["created", "paid", "noted"], ["created", "refused", "canceled"], ["created"],
         ["created", "refused"], ["paid", "created", "shipped"], ["created", "created", "paid", "canceled"]]


async def order_forever(name, seed, ended):
    rng, client, number = random.Random(f"{seed}/{name}"), AsyncClient(API), 0
    while not ended.is_set():
        order, cause = f"{name}.{number}", f"{name}.{number}-0"
        number += 1
        for step, topic in enumerate(rng.choice(FLOWS)):
            await publish(client, topic, order, step, cause)
            cause = f"{order}-{step}"
            await asyncio.sleep(rng.choice([0, 0.02, 0.1, 0.6]))
    client.close()


def millis(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


async def kill_often(flotilla, kills, rng):
    also = "noted"

    async def change(_):
        nonlocal also
        if rng.random() < 0.4:
            also = "canceled" if also == "noted" else "noted"
            flotilla.file.write_text(config(also))
            await asyncio.to_thread(flotilla.admin, "POST", "/api/v1/config/reload")
            await asyncio.sleep(rng.random() * 0.1)

    await kill_kit.kill_often(flotilla, kills, rng, 1.2, before=change)
    return also


async def until_told(open_waits, api):
    """Alerts by (order, what they follow), once there is one for each wait that is open and due."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        alerts = {}
        for event in await kill_kit.events_of(api, "overdue"):
            alerts.setdefault((event["data"]["id"], event["data"]["event"]), []).append(event)
        missing = [wait for wait in open_waits if wait not in alerts]
        if not missing:
            return alerts
        if asyncio.get_running_loop().time() > deadline:
            raise Failed(f"nobody was told of {missing}: {json.dumps(await kill_kit.get(api, '/v1/correlations/' + missing[0][0]))}")
        await asyncio.sleep(0.2)


async def judge(also, api=API):
    orders = {}
    for topic in TOPICS:
        for event in await kill_kit.events_of(api, topic):
            orders.setdefault(event["data"]["order"], []).append((topic, event["id"], millis(event["recordedtime"])))
    await asyncio.sleep(3 * WITHIN / 1000)  # by now all is due
    open_waits, dues = [], {}
    opinions = {}
    for order, events in orders.items():
        events.sort(key=lambda each: int(each[1].split("-")[1]))  # each was published when the one before was acknowledged
        opinions[order] = second_opinion(events, also)
        open_waits += [(order, wait["event"]) for wait in opinions[order][0] if wait["due"]]
        for topic, event_id, recorded in events:
            for after, _all, _topics, within in EXPECT:
                if after == topic and within:
                    dues[(order, event_id)] = recorded + within
    alerts = await until_told(open_waits, api)
    for key, events in alerts.items():
        check_equal(len(events), 1, f"alerts of {key}")
        check(millis(events[0]["recordedtime"]) >= dues[key], f"{key} was told before it was due")
    for order, (waits, unexpected, end) in opinions.items():
        found = await kill_kit.get(api, f"/v1/correlations/{order}")
        mine = found["choreographies"][0]
        check_equal([event["topic"] for event in found["events"]], [each[0] for each in orders[order]], f"events of {order}")
        got = [(wait["after"], wait["event"], wait.get("one_of", wait.get("all_of"))) for wait in mine["expected"]]
        check_equal(got, [(wait["after"], wait["event"], wait["missing"]) for wait in waits], f"waits of {order}")
        state = "overdue" if any(wait["due"] for wait in waits) else "open" if waits or end is None else end
        check_equal(mine["state"], state, f"the state of {order}")
        marked = [event["id"] for event in found["events"] if event["unexpected"]]
        check_equal(marked, unexpected, f"unexpected events of {order}")
    listed = [item["id"] for item in await kill_kit.items_of(api, "/v1/correlations?limit=50")]
    check_equal(sorted(listed), sorted(orders), "the list")
    return len(orders), len(alerts)


async def run(flotilla, kills, seed):
    ended = asyncio.Event()
    publishing = [asyncio.create_task(order_forever(f"p{n}", seed, ended)) for n in range(PUBLISHERS)]
    also = await kill_kit.beside(kill_often(flotilla, kills, random.Random(seed)), publishing)
    ended.set()
    await asyncio.gather(*publishing)
    newest = (await kill_kit.get(API, "/v1/topics/noted?from=latest"))["next"]
    client, deadline = AsyncClient(API), asyncio.get_running_loop().time() + PATIENCE
    while (await client.request("GET", "/v1/correlations?limit=1&wait=10s", b"", f"Read-After: {newest}\r\n"))[0] != 200:
        check(asyncio.get_running_loop().time() < deadline, "the choreography does not come so far")
    client.close()
    while True:  # until the definition of the file is the one that is read
        try:
            orders, alerts = await judge([also])
            break
        except Failed:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.5)
    check(orders > 3 * kills and alerts > kills, f"only {orders} orders and {alerts} alerts")
    print(f"{orders} orders and {alerts} alerts through {kills} kills")


def trial(kills, seed):
    with Flotilla(config("noted"), ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 6, trial))
