"""The Kafka bridge of the shipped program under kill -9, with brokers that go and return: nothing acknowledged is lost on the
way to Kafka, nothing that Kafka had on the way here, keys keep their order, and effects happen once.

Publishers publish numbered events here, others produce numbered messages there, CloudEvents and plain ones, while the
program is killed at random moments and the broker is taken away and given back. In the end every acknowledged event must be in
Kafka (E1), the first times of each key in order (E3); every message of the others must be in the journal (E4), once (E2), each
key in order (E3); and a service that remembers ids has acted once on each (E9).

    python3 tests/e2e/kafka_kill.py --kills 50 --seed 7      ctest runs 6
"""
import asyncio
import json
import random
import sys
import threading
import time

import kill_kit
from kafka_kit import SKIPPED, Kafka, cluster, headers_of, is_real, missing
from kit import PATIENCE, SLOWDOWN, Answer, AsyncClient, Backend, Flotilla, check, check_equal, wait_until

API, ADMIN, SERVICE = 22710, 22711, 22712
PUBLISHERS, PARTITIONS, OTHERS = 6, 4, 3
TOPIC = f"orders.{int(time.time()):x}"


def config(bootstrap):
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "sqlite:data/kafka.db", events: "kafka://{bootstrap}" }}
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


async def kill_often(flotilla, kafka_cluster, kills, rng):
    for number in range(1, kills + 1):
        await asyncio.to_thread(flotilla.await_ready)
        away = not is_real() and rng.random() < 0.5
        if away:
            kafka_cluster.say("down 1")
        await asyncio.sleep((0.3 + rng.random() * 2) * SLOWDOWN)
        kill_kit.check_alive(flotilla)
        if away and rng.random() < 0.7:
            kafka_cluster.say("up 1")
            away = False
            await asyncio.sleep(rng.random() * SLOWDOWN)
        await asyncio.to_thread(flotilla.kill)
        print(f"kill {number}{', without a broker' if away else ''}", flush=True)
        if away:
            kafka_cluster.say("up 1")
        flotilla.spawn()
    await asyncio.to_thread(flotilla.await_ready)


def in_journal():
    return asyncio.run(kill_kit.events_of(API, TOPIC))


def check_order(by_key, what):
    for key, numbers in by_key.items():
        first = list(dict.fromkeys(numbers))
        check_equal(first, sorted(first), f"E3: the order of {key} {what}")


def judge(kafka, others, acknowledged, ledger, flotilla, kills):
    wanted = {event for own in acknowledged.values() for event, _, _ in own}
    # Kafka: everything that was acknowledged, the first times in order.
    messages = kafka.read_all(TOPIC, PARTITIONS, lambda found: wanted <= {headers_of(m).get("ce_id") for m in found}, PATIENCE * 6)
    ids, by_key = [], {}
    for message in messages:
        headers = headers_of(message)
        if "flotilla-group" in headers:
            ids.append(headers["ce_id"])
            by_key.setdefault(message.key(), []).append(json.loads(message.value())["n"])
    check_equal(sorted(wanted - set(ids)), [], "E1: acknowledged events that Kafka has not")
    check_order(by_key, "in Kafka")
    # The journal: everything that the others have produced, once, in order.
    total = len(wanted) + others.count

    def arrived():
        return len(in_journal()) >= total
    wait_until(arrived, f"the journal has all {total} events", PATIENCE * 6)
    events = in_journal()
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
    wait_until(lambda: len(ledger.known) >= total, "the service has acted on all", PATIENCE * 6)
    check_equal(sum(map(len, ledger.acted.values())), total, "E9: effects")
    for key, numbers in ledger.acted.items():
        check_equal(numbers, sorted(numbers), f"E5: the order of effects of {key}")
    wait_until(lambda: flotilla.metric("flotilla_kafka_unsettled") == 0, "nothing is left to be sent", PATIENCE * 3)
    check(len(wanted) > 10 * kills, f"only {len(wanted)} events were published")
    print(f"{len(wanted)} events to Kafka ({len(ids) - len(set(ids))} of them again), {others.count} from it, {ledger.deliveries} deliveries, "
          f"{kills} kills")


async def run(flotilla, kafka_cluster, kafka, kills, seed, others):
    ended, acknowledged = asyncio.Event(), {f"p{n}": [] for n in range(PUBLISHERS)}
    publishing = [asyncio.create_task(publish(name, seed, ended, own)) for name, own in acknowledged.items()]
    others.start()
    try:
        await kill_kit.beside(kill_often(flotilla, kafka_cluster, kills, random.Random(seed)), publishing)
    finally:
        others.ended.set()
        others.join()
    ended.set()
    await asyncio.gather(*publishing)
    return acknowledged


def trial(kills, seed):
    if why := missing():
        print(f"SKIPPED  the Kafka bridge is NOT tested under kill -9: {why}", flush=True)
        sys.exit(SKIPPED)
    ledger = Ledger()
    with cluster() as kafka_cluster, Backend(SERVICE, "ledger", ledger.behave):
        kafka_cluster.topic(TOPIC, PARTITIONS)
        kafka = Kafka(kafka_cluster.bootstrap)
        others = Others(kafka)
        with Flotilla(config(kafka_cluster.bootstrap), ADMIN) as flotilla:
            acknowledged = asyncio.run(run(flotilla, kafka_cluster, kafka, kills, seed, others))
            kafka.flush()
            judge(kafka, others, acknowledged, ledger, flotilla, kills)


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 6, trial))
