"""The Kafka bridge of the shipped program under kill -9, with brokers that go and return and a group that another one joins and leaves:
nothing acknowledged is lost on the way to Kafka, nothing that Kafka had on the way here, keys keep their order, and effects happen once.

Publishers publish numbered events here, others produce numbered messages there, CloudEvents and plain ones, while the
program is killed at random moments, one broker or all of them are taken away and given back, and another member of the program's
group comes, takes partitions and messages, commits nothing, and leaves. In the end every acknowledged event must be in
Kafka (E1), the first times of each key in order (E3); every message of the others must be in the journal (E4), once (E2), each
key in order (E3); and a service that remembers ids has acted once on each (E9).

    python3 tests/e2e/kafka_kill.py --kills 50 --seed 7      ctest runs 6
"""
import asyncio
import contextlib
import json
import random
import sys
import threading
import time

import kill_kit
from kafka_kit import SKIPPED, Kafka, cluster, headers_of, is_real, missing
from kit import PATIENCE, SLOWDOWN, Answer, AsyncClient, Backend, Flotilla, check, check_equal, wait_until

API, ADMIN, SERVICE = 22710, 22711, 22712
PUBLISHERS, PARTITIONS, OTHERS, BROKERS = 6, 4, 3, 3
GUEST_EVERY = 5  # kills
TOPIC = f"orders.{int(time.time()):x}"
GROUP = f"kill.{int(time.time()):x}"


def config(bootstrap):
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "sqlite:data/kafka.db", events: "kafka://{bootstrap}?group={GROUP}" }}
topics:
  {TOPIC}: {{ key: .key }}
services:
  ledger: {{ url: http://127.0.0.1:{SERVICE} }}
subscriptions:
  act: {{ topic: {TOPIC}, deliver: POST ledger/act, from: earliest, order_by: key, concurrency: 32, retry: {{ attempts: 100, backoff: 20ms..200ms }} }}
"""


class Ledger:
    """Acts once on each (source, id), and remembers in which order of each key."""

    def __init__(self):
        self.deliveries, self.acted, self.known = 0, {}, set()

    def behave(self, request):
        event = (request.get("ce-source"), request.get("ce-id"))
        self.deliveries += 1
        if event not in self.known:
            self.known.add(event)
            data = json.loads(request.body)
            self.acted.setdefault(data["key"], []).append(data["n"])
        return Answer(204)


async def publish(name, seed, ended, acknowledged):
    rng, client, number = random.Random(f"{seed}/{name}"), AsyncClient(API), 0
    while not ended.is_set():
        event = {"key": f"{name}-{number % 3}", "n": number}
        fields = f"ce-id: {name}-{number}\r\nce-source: /test\r\nContent-Type: application/json\r\n"
        await kill_kit.publish(client, TOPIC, event, fields)
        acknowledged.append((f"{name}-{number}", f"{name}-{number % 3}", number))
        number += 1
        await asyncio.sleep(rng.random() * 0.02)
    client.close()


class Others(threading.Thread):
    """Produce to Kafka: what was confirmed there must come here."""

    def __init__(self, kafka):
        super().__init__()
        self.kafka, self.ended, self.count = kafka, threading.Event(), 0

    def run(self):
        while not self.ended.is_set():
            n, self.count = self.count, self.count + 1
            key = f"other-{n % OTHERS}"
            body = {"key": key, "n": n}
            if n % 2:
                self.kafka.send(TOPIC, body, key=key, headers=[("ce_specversion", "1.0"), ("ce_id", f"o{n}"), ("ce_source", "/others"),
                                                               ("ce_type", "t"), ("content-type", "application/json")])
            else:
                self.kafka.send(TOPIC, body, key=key)
            self.kafka.producer.poll(0)
            time.sleep(0.01)


class Reader(threading.Thread):
    """Reads all that Kafka has, as it comes: a mock broker forgets what lies some MiB back."""

    def __init__(self, kafka):
        super().__init__()
        self.kafka, self.ended = kafka, threading.Event()
        self.sent, self.ids = [], set()  # of the program's messages: (id, key, n), in the order of each partition

    def run(self):
        def take(messages):
            for message in messages:
                headers = headers_of(message)
                if "flotilla-group" in headers:
                    self.sent.append((headers["ce_id"], message.key(), json.loads(message.value())["n"]))
                    self.ids.add(headers["ce_id"])
            return self.ended.is_set()
        self.kafka.follow(TOPIC, PARTITIONS, take)


class Guest(threading.Thread):
    """Joins the program's group again and again, and commits nothing: what it was given comes to the program later."""

    def __init__(self, kafka, seed):
        super().__init__()
        self.kafka, self.rng, self.ended = kafka, random.Random(f"{seed}/guest"), threading.Event()
        self.visits, self.taken = 0, 0

    def run(self):
        while not self.ended.wait(self.rng.random() * 4 * SLOWDOWN):
            member = self.kafka.consumer(GROUP, [TOPIC], commits=False)
            end = time.monotonic() + (3 + self.rng.random() * 5) * SLOWDOWN
            while time.monotonic() < end and not self.ended.is_set():
                self.taken += len(member.consume(100, 0.1))
            member.close()
            self.visits += 1


@contextlib.contextmanager
def running(*threads):
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.ended.set()
        for thread in threads:
            thread.join()


async def kill_often(flotilla, kafka_cluster, kills, rng, guest):
    for number in range(1, kills + 1):
        await asyncio.to_thread(flotilla.await_ready)
        if number % GUEST_EVERY == 0:  # while the dead are members the group cannot share anew; so let it, now and then
            before = guest.taken
            await asyncio.to_thread(wait_until, lambda before=before: guest.taken > before, "the guest is given messages", PATIENCE * 4)
        away = [] if is_real() or rng.random() < 0.5 else rng.sample(range(1, BROKERS + 1), rng.choice([1, BROKERS]))
        for broker in away:
            kafka_cluster.say(f"down {broker}")
        await asyncio.sleep((0.3 + rng.random() * 2) * SLOWDOWN)
        kill_kit.check_alive(flotilla)
        if away and rng.random() < 0.7:
            for broker in away:
                kafka_cluster.say(f"up {broker}")
            away = []
            await asyncio.sleep(rng.random() * SLOWDOWN)
        await asyncio.to_thread(flotilla.kill)
        print(f"kill {number}{f', without {len(away)} of the brokers' if away else ''}", flush=True)
        for broker in away:
            kafka_cluster.say(f"up {broker}")
        flotilla.spawn()
    await asyncio.to_thread(flotilla.await_ready)


async def read_on(events, token):
    """What the journal has behind `token` goes to `events`; where it ends."""
    while True:
        page = await kill_kit.get(API, f"/v1/topics/{TOPIC}?from={token}&limit=1000")
        token = page["next"]
        events += page["events"]
        if not page["events"]:
            return token


def check_order(by_key, what):
    for key, numbers in by_key.items():
        first = list(dict.fromkeys(numbers))
        check_equal(first, sorted(first), f"E3: the order of {key} {what}")


def await_all(count, total, what):
    """For as long as there are more: how long all of it takes is the machine's."""
    while (before := count()) < total:
        wait_until(lambda before=before: count() > before, f"{what}: {before} of {total}", PATIENCE * 4)


def judge(reader, others, acknowledged, ledger, flotilla, kills):
    wanted = {event for own in acknowledged.values() for event, _, _ in own}
    # Kafka: everything that was acknowledged, the first times in order.
    await_all(lambda: len(wanted & reader.ids), len(wanted), "E1: acknowledged events that Kafka has")
    by_key = {}
    for _, key, n in list(reader.sent):
        by_key.setdefault(key, []).append(n)
    check_order(by_key, "in Kafka")
    # The journal: everything that the others have produced, once, in order.
    total, events, token = len(wanted) + others.count, [], ["0"]

    def arrived():
        token[0] = asyncio.run(read_on(events, token[0]))
        return len(events)
    await_all(arrived, total, "events in the journal")
    asyncio.run(read_on(events, token[0]))
    identities = [(event["source"], event["id"]) for event in events]
    check_equal(len(identities) - len(set(identities)), 0, "E2: events twice in the journal")
    by_key = {}
    for event in events:
        by_key.setdefault(event["data"]["key"], []).append(event["data"]["n"])
    check_equal(sorted(n for key, numbers in by_key.items() if key.startswith("other") for n in numbers), list(range(others.count)),
                "E4: messages of the others in the journal")
    check_equal(len(events), total, "events in the journal")
    for key, numbers in by_key.items():
        check_equal(numbers, sorted(numbers), f"E3: the order of {key} in the journal")
    # The service: each once, in order.
    await_all(lambda: len(ledger.known), total, "events on which the service has acted")
    check_equal(sum(map(len, ledger.acted.values())), total, "E9: effects")
    for key, numbers in ledger.acted.items():
        check_equal(numbers, sorted(numbers), f"E5: the order of effects of {key}")
    wait_until(lambda: flotilla.metric("flotilla_kafka_unsettled") == 0, "nothing is left to be sent", PATIENCE * 3)
    check(len(wanted) > 10 * kills, f"only {len(wanted)} events were published")
    print(f"{len(wanted)} events to Kafka ({len(reader.sent) - len(reader.ids)} of them again), {others.count} from it, {ledger.deliveries} deliveries, "
          f"{kills} kills")


async def run(flotilla, kafka_cluster, kills, seed, guest):
    ended, acknowledged = asyncio.Event(), {f"p{n}": [] for n in range(PUBLISHERS)}
    publishing = [asyncio.create_task(publish(name, seed, ended, own)) for name, own in acknowledged.items()]
    await kill_kit.beside(kill_often(flotilla, kafka_cluster, kills, random.Random(seed), guest), publishing)
    ended.set()
    await asyncio.gather(*publishing)
    return acknowledged


def trial(kills, seed):
    if why := missing():
        print(f"SKIPPED  the Kafka bridge is NOT tested under kill -9: {why}", flush=True)
        sys.exit(SKIPPED)
    ledger = Ledger()
    with cluster(BROKERS) as kafka_cluster, Backend(SERVICE, "ledger", ledger.behave):
        kafka_cluster.topic(TOPIC, PARTITIONS)
        kafka = Kafka(kafka_cluster.bootstrap)
        others, guest, reader = Others(kafka), Guest(kafka, seed), Reader(kafka)
        with Flotilla(config(kafka_cluster.bootstrap), ADMIN) as flotilla, running(reader):
            with running(others, guest):
                acknowledged = asyncio.run(run(flotilla, kafka_cluster, kills, seed, guest))
            kafka.flush()
            judge(reader, others, acknowledged, ledger, flotilla, kills)
            print(f"{guest.visits} visits of another member of the group, which took {guest.taken} messages")


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 6, trial))
