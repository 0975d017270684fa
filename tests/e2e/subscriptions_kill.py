"""Subscriptions of the shipped program under kill -9: every event is delivered, each key in its order, none is skipped.

Publishers, each with keys of its own, publish numbered events while the program is killed at random moments. A subscriber
keeps a ledger of what it was sent; it fails, refuses, hangs up, hangs, answers 202 and acknowledges later. In the end every
acknowledged event must have arrived (E4), the first arrivals of each key must be in the order of publication (E3, E5), a
repeated one must be what it was (E7), and each event must have exactly one outcome: a publication of its success, or a dead
letter with the publication of its failure (E10).

    python3 tests/e2e/subscriptions_kill.py --kills 100 --seed 7 [--postgres]      ctest runs 8, and 4 over PostgreSQL
"""
import asyncio
import json
import random
import sys

import kill_kit
from kit import PATIENCE, AsyncClient, Flotilla, check, check_equal
from stores import journal_store

API, ADMIN, SUBSCRIBER = 22640, 22641, 22642
PUBLISHERS = 6
EVENTS_A_KILL = 10  # at least

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "%s" }}
services:
  ledger: {{ url: http://127.0.0.1:{SUBSCRIBER} }}
topics:
  orders: {{ key: .key }}
subscriptions:
  charge:
    topic: orders
    deliver: {{ call: POST ledger/events, timeout: 500ms }}
    order_by: key
    concurrency: 8
    retry: {{ attempts: 100, backoff: 5ms..50ms }}
    ack_timeout: 500ms
    on_success: paid
    on_failure: declined
"""


class Subscriber:
    """A service that is not killed, and keeps what it was sent, in order."""

    def __init__(self, seed):
        self.rng = random.Random(f"{seed}/subscriber")
        self.arrived = []  # (key, n, id, data), every arrival
        self.client = AsyncClient(API)
        self.later = set()
        self.healed = False
        self.acknowledged_later = 0

    async def serve(self):
        self.server = await asyncio.start_server(self.talk, "127.0.0.1", SUBSCRIBER)

    async def talk(self, reader, writer):
        try:
            while await self.answer_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def answer_one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("Content-Length", "0")))
        data = json.loads(body)
        check_equal(fields["ce-specversion"], "1.0", "specversion")
        check_equal(fields["ce-partitionkey"], data["key"], "the partition key")
        check_equal(fields["Event-Subscription"], "charge", "the subscription")
        self.arrived.append((data["key"], data["n"], fields["ce-id"], body))
        turn = 1 if self.healed else self.rng.random()
        if turn < 0.03:
            return False  # hangs up without an answer
        if turn < 0.04:
            await asyncio.sleep(1)  # longer than the attempt may take
        status = 503 if turn < 0.15 else 422 if data["n"] % 23 == 7 else 404 if turn < 0.2 else 202 if turn < 0.3 else 200
        if status == 202 and self.rng.random() < 0.8:
            task = asyncio.create_task(self.acknowledge(fields["Event-Delivery"]))
            self.later.add(task)
            task.add_done_callback(self.later.discard)
        text = json.dumps({"charged": data["n"]}).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True

    async def acknowledge(self, token):
        await asyncio.sleep(self.rng.random() * 0.2)
        client = AsyncClient(API)
        try:
            status, answer, _ = await client.request("POST", f"/v1/subscriptions/charge/ack/{token}", b'{"later":true}')
            check(status in (204, 404, 409, 503), f"an acknowledgement was answered {status}: {answer.body}")
            self.acknowledged_later += status == 204
        except ConnectionError:
            pass  # killed meanwhile: it is delivered again
        finally:
            client.close()


async def publish(name, seed, ended, published):
    rng, client, number = random.Random(f"{seed}/{name}"), AsyncClient(API), 0
    while not ended.is_set():
        event = {"key": f"{name}-{rng.randrange(3)}", "n": number}
        fields = f"ce-id: {name}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\n"
        await kill_kit.publish(client, "orders", event, fields)
        published.append((event["key"], number, f"{name}-{number}"))
        number += 1
        await asyncio.sleep(rng.random() * 0.02)
    client.close()


async def outcomes():
    paid, declined, dead = [await kill_kit.events_of(API, topic) for topic in ("paid", "declined", "orders.dead")]
    return ([event["causationid"] for event in paid], [event["causationid"] for event in declined],
            [event["id"] for event in dead])


def judge(published, arrived, paid, declined, dead):
    ids = {identity for _, _, identity in published}
    seen = {identity for _, _, identity, _ in arrived}
    check(not ids - seen, f"E4: published, and never delivered: {sorted(ids - seen)[:5]}")
    first, bytes_of = {}, {}
    for key, number, identity, body in arrived:
        check_equal(bytes_of.setdefault(identity, body), body, "E7: what is delivered again")
        if identity in ids and number not in first.setdefault(key, []):
            first[key].append(number)
    for key, numbers in first.items():
        check(numbers == sorted(numbers), f"E3: the events of {key} first arrived as {numbers}")
    check_equal(len(paid), len(set(paid)), "successes, and different events")
    check_equal(sorted(declined), sorted(dead), "failures, and dead letters")
    check_equal(len(dead), len(set(dead)), "dead letters, and different events")
    check_equal(sorted(set(paid) | set(dead)), sorted(ids), "E10: what has an outcome")
    check(not set(paid) & set(dead), "E4: an event has two outcomes")


async def run(flotilla, kills, seed):
    subscriber, published, ended = Subscriber(seed), [], asyncio.Event()
    await subscriber.serve()
    publishing = [asyncio.create_task(publish(f"p{n}", seed, ended, published)) for n in range(PUBLISHERS)]

    async def until_published(number):
        # Ready is not yet publishing: a shared journal's leases of the process that was killed must end first.
        deadline = asyncio.get_running_loop().time() + PATIENCE * 4
        while len(published) <= EVENTS_A_KILL * number:
            check(asyncio.get_running_loop().time() < deadline, f"nothing is published before kill {number}:\n{flotilla.said()[-2000:]}")
            await asyncio.sleep(0.01)

    await kill_kit.kill_often(flotilla, kills, random.Random(seed), 0.8, when_ready=until_published)
    ended.set()
    await asyncio.gather(*publishing)
    subscriber.healed = True
    deadline = asyncio.get_running_loop().time() + PATIENCE * 4
    while True:
        paid, declined, dead = await outcomes()
        if len(paid) + len(dead) >= len(published):
            break
        check(asyncio.get_running_loop().time() < deadline,
              f"{len(published)} events, {len(paid)} paid and {len(dead)} dead:\n"
              f"{(await asyncio.to_thread(flotilla.admin, 'GET', '/api/v1/subscriptions')).body}\n{flotilla.said()[-2000:]}")
        await asyncio.sleep(0.2)
    subscriber.server.close()
    await asyncio.gather(*subscriber.later, return_exceptions=True)
    judge(published, subscriber.arrived, paid, declined, dead)
    check(len(published) > EVENTS_A_KILL * kills, f"only {len(published)} events were published")
    settled = await asyncio.to_thread(flotilla.metric, "flotilla_subscription_settled_total", subscription="charge")
    check(settled is not None, "there are no metrics")
    print(f"{len(published)} events through {kills} kills: {len(subscriber.arrived)} deliveries, {len(dead)} dead letters, "
          f"{subscriber.acknowledged_later} acknowledged later")


def trial(kills, seed):
    with journal_store() as store, Flotilla(CONFIG % store, ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 8, trial))
