"""Topics of the shipped program under kill -9: nothing acknowledged is lost, nothing is there twice, keys keep their order.

Publishers, each with keys of its own, publish numbered events one after the other, alone and in batches, and repeat what
was not answered under the same ids, while the program is killed at random moments. In the end every acknowledged event must
be there (E1), each (source, id) once (E2), each key in the order in which it was published (E3); a batch is there as a
whole; and a reader that followed by tokens all along has seen exactly what is there.

    python3 tests/e2e/topics_kill.py --kills 100 --seed 7 [--postgres]      ctest runs 8, and 4 over PostgreSQL
"""
import asyncio
import random
import sys

import kill_kit
from kit import AsyncClient, Flotilla, check, check_equal
from stores import journal_store

API, ADMIN = 22620, 22621
PUBLISHERS = 8

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "%s" }}
topics:
  orders: {{ key: .key }}
"""


class Publisher:
    """Publishes until told to end; what is not answered is sent again as it was."""

    def __init__(self, name, seed):
        self.name, self.rng = name, random.Random(f"{seed}/{name}")
        self.client = AsyncClient(API)
        self.sent = 0
        self.acknowledged = []  # (id, key, number), in the order of their acknowledgement
        self.batches = []       # ids of those that were acknowledged

    async def run(self, ended):
        while not ended.is_set():
            count = self.rng.choice([1, 1, 1, 5])
            numbers = range(self.sent, self.sent + count)
            self.sent += count
            events = [{"id": f"{self.name}-{n}", "source": "/test", "data": {"key": f"{self.name}-{n % 3}", "n": n}} for n in numbers]
            await self.publish(events)
            self.acknowledged += [(event["id"], event["data"]["key"], event["data"]["n"]) for event in events]
            self.batches.append([event["id"] for event in events])
        self.client.close()

    async def publish(self, events):
        fields = "Content-Type: application/cloudevents-batch+json\r\n"
        answer = await kill_kit.publish(self.client, "orders", events, fields)
        check_equal([each["id"] for each in answer.json()["events"]], [event["id"] for event in events], "ids answered")


async def follow(seen, published):
    """Reads by long poll from the beginning, through every kill, to the end of what was published."""
    client, token = AsyncClient(API), "0"
    while True:
        done = published.is_set()
        try:
            status, answer, _ = await client.request("GET", f"/v1/topics/orders?from={token}&limit=100&wait=200ms")
        except ConnectionError:
            await asyncio.sleep(0.02)
            continue
        if status != 200:
            check_equal(status, 503, f"status: {answer.body}")
            await asyncio.sleep(0.05)
            continue
        page = answer.json()
        token = page["next"]
        seen += page["events"]
        if done and not page["events"]:
            client.close()
            return


def judge(publishers, seen):
    ids = [event["id"] for event in seen]
    check_equal(len(ids), len(set(ids)), "E2: events, and different ids")
    place = {identity: at for at, identity in enumerate(ids)}
    lost = [identity for each in publishers for identity, _, _ in each.acknowledged if identity not in place]
    check(not lost, f"E1: acknowledged, and not there: {lost[:5]} and {max(0, len(lost) - 5)} more")
    keys = {}
    for event in seen:
        check_equal(event["partitionkey"], event["data"]["key"], "the partition key")
        keys.setdefault(event["partitionkey"], []).append(event["data"]["n"])
    for key, numbers in keys.items():
        check(numbers == sorted(numbers), f"E3: the events of {key} are not in their order: {numbers}")
    for each in publishers:
        for batch in each.batches:
            first = place[batch[0]]
            check_equal(ids[first:first + len(batch)], batch, "a batch, as a whole")


async def run(flotilla, kills, seed):
    publishers = [Publisher(f"p{n}", seed) for n in range(PUBLISHERS)]
    seen, ended, published = [], asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow(seen, published))
        publishing = [group.create_task(each.run(ended)) for each in publishers]
        await kill_kit.kill_often(flotilla, kills, random.Random(seed), 0.6)
        ended.set()
        await asyncio.gather(*publishing)
        published.set()
        await following
    judge(publishers, seen)
    count = sum(len(each.acknowledged) for each in publishers)
    check(count > 10 * kills, f"only {count} events were published")
    fresh = []
    await follow(fresh, published)
    check_equal([event["id"] for event in fresh], [event["id"] for event in seen], "what is read from the beginning")
    print(f"{count} events acknowledged through {kills} kills")


def trial(kills, seed):
    with journal_store() as store, Flotilla(CONFIG % store, ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 8, trial))
