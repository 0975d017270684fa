"""Compaction of the shipped program under kill -9: of each key the newest event stays, and older ones go from the oldest on.

Numbered events of few keys are published, and as soon as compaction has begun to remove some the program is killed, in the
middle of its round. After each restart every key must have all events from some number on, the last acknowledged one
among them; in the end each key has that one alone, and the store is sound.

    python3 tests/e2e/compaction_kill.py --kills 50 --seed 7      ctest runs 3
"""
import json
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

import kill_kit
from kit import PATIENCE, PROGRAM, SLOWDOWN, Flotilla, Wire, ask, check, check_equal, wait_until

API, ADMIN = 22910, 22911
KEYS, BATCH, BATCHES = 100, 500, 20

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 1
topics:
  prices: {{ key: .key, compact: true }}
"""


class Published:
    """Events of one publisher, numbered through all keys."""

    def __init__(self, rng):
        self.rng, self.numbers, self.sent = rng, {f"k{n}": [] for n in range(KEYS)}, 0

    def publish(self):
        events = []
        for _ in range(BATCH):
            key = self.rng.choice(list(self.numbers))
            self.numbers[key].append(self.sent)
            events.append({"id": str(self.sent), "data": {"key": key, "n": self.sent}})
            self.sent += 1
        answer = ask(API, "POST", "/v1/topics/prices", [("Content-Type", "application/cloudevents-batch+json")],
                     json.dumps(events).encode())
        check_equal(answer.status, 202, f"status: {answer.body}")


def there():
    """The numbers that are in the topic, by key."""
    found, token = {}, "0"
    with Wire(API) as wire:
        while True:
            wire.request("GET", f"/v1/topics/prices?from={token}&limit=1000")
            page = wire.response().json()
            if not page["events"]:
                return found
            for event in page["events"]:
                found.setdefault(event["data"]["key"], []).append(event["data"]["n"])
            token = page["next"]


def forgotten(flotilla):
    path = pathlib.Path(flotilla.folder.name) / "data" / "flotilla.db"
    journal = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return journal.execute("SELECT forgotten FROM store").fetchone()[0]
    finally:
        journal.close()


def judge(published):
    """Gives how many events are superseded and still there."""
    found, superseded = there(), 0
    for key, numbers in published.numbers.items():
        kept = found.get(key, [])
        check(bool(kept) == bool(numbers), f"{key} is {'not ' if numbers else ''}there")
        if kept:
            check_equal(kept, numbers[-len(kept):], f"{key}: what is left, and the newest that were published")
            superseded += len(kept) - 1
    return superseded


def run(flotilla, kills, rng):
    published, in_the_middle = Published(rng), 0
    for number in range(1, kills + 1):
        before = forgotten(flotilla)
        for _ in range(BATCHES):
            published.publish()
        wait_until(lambda: forgotten(flotilla) > before, "compaction removes something", 3 * PATIENCE)
        time.sleep(rng.random() * 0.02 * SLOWDOWN)  # how far it comes is left to chance
        flotilla.kill()
        gone = forgotten(flotilla) - before
        flotilla.spawn()
        flotilla.await_ready()
        left = judge(published)
        in_the_middle += gone > 0 and left > 0
        print(f"kill {number}: {gone} were removed, {left} superseded events are left", flush=True)
    check(in_the_middle > 0, "no kill came in the middle of a round")
    published.publish()
    wait_until(lambda: judge(published) == 0, "each key stands once", 3 * PATIENCE)
    flotilla.end()
    said = subprocess.run([PROGRAM, "journal", "verify", "--store", f"{flotilla.folder.name}/data/flotilla.db"],
                          capture_output=True, text=True, timeout=6 * PATIENCE)
    check_equal(said.returncode, 0, f"verify: {said.stdout}{said.stderr}")
    print(f"{published.sent} events, {in_the_middle} of {kills} kills in the middle of a round")


def trial(kills, seed):
    with Flotilla(CONFIG, ADMIN) as flotilla:
        run(flotilla, kills, random.Random(seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 3, trial))
