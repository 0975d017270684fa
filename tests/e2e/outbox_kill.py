"""`flotilla outbox` under kill -9, with the platform and the database killed too: what was committed is published once.

Services write numbered events into an outbox in transactions that also number the events of each key (under a lock of its
row) and note them in a ledger; some roll back, some stay open, some have written elsewhere before they take the lock. Meanwhile the
relay, the platform and PostgreSQL are killed at random moments. In the end the topics must hold the ledger's events, each once, those
of a key in the order of their numbers, and the outbox must be empty.

    python3 tests/e2e/outbox_kill.py --kills 100 --seed 7      ctest runs 10
"""
import random
import sys
import threading
import time

import kill_kit
from kit import PATIENCE, SLOWDOWN, Flotilla, check, check_equal, wait_until
from outbox import ADMIN, CONFIG, Relay, read_all
from server_of_postgres import Postgres
from sql import Session, SqlError

KEYS = [f"k{n}" for n in range(8)]
WRITERS = 4


class Writer(threading.Thread):
    def __init__(self, number, seed, url, ended):
        super().__init__(daemon=True)
        self.number, self.url, self.ended = number, url, ended
        self.rng = random.Random(f"{seed}/{number}")
        self.session, self.written, self.failed = None, 0, None

    def run(self):
        try:
            while not self.ended.is_set():
                try:
                    if self.session is None:
                        self.session = Session(self.url)
                    self.transact()
                except SqlError as error:
                    if error.lost:
                        self.session.close()
                        self.session = None
                        time.sleep(0.05)
                    else:
                        self.session.run("ROLLBACK")
        except Exception as error:  # told by the main thread
            self.failed = error

    def transact(self):
        run = self.session.run
        run("BEGIN")
        if self.rng.random() < 0.3:
            run("INSERT INTO noise VALUES (1)")  # a transaction that is older than its place in a key's order
            time.sleep(self.rng.random() * 0.02)
        for key in sorted(self.rng.sample(KEYS, self.rng.randrange(1, 3))):
            n = self.session.value(f"UPDATE counters SET n = n + 1 WHERE key = '{key}' RETURNING n")
            name = f"w{self.number}-{self.written}"
            self.written += 1
            topic = ("orders", "mixed")[KEYS.index(key) % 2]
            run(f"INSERT INTO ledger VALUES ('{name}', '{topic}')")
            run(f"INSERT INTO outbox (topic, id, key, data) VALUES ('{topic}', '{name}', '{key}', '{{\"order\": {n}}}')")
        if self.rng.random() < 0.05:
            time.sleep(self.rng.random() * 0.5)  # others with later positions commit meanwhile
        run("ROLLBACK" if self.rng.random() < 0.2 else "COMMIT")


def storm(flotilla, database, kills, seed):
    url = database.url
    rng, ended = random.Random(f"{seed}/storm"), threading.Event()
    with Session(url) as session:
        session.run("CREATE TABLE ledger (id text PRIMARY KEY, topic text NOT NULL)")
        session.run("CREATE TABLE noise (n int)")
        session.run("CREATE TABLE counters (key text PRIMARY KEY, n int NOT NULL)")
        for key in KEYS:
            session.run(f"INSERT INTO counters VALUES ('{key}', 0)")
    relay = Relay(url, "--create")
    relay.await_word("published 0")
    writers = [Writer(number, seed, url, ended) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    counts = {"relay": 0, "platform": 0, "database": 0}
    begun = time.monotonic()
    for _ in range(kills):
        time.sleep(rng.random() * 0.6)
        victim = rng.choices(list(counts), [6, 3, 1])[0]
        counts[victim] += 1
        if victim == "relay":
            relay.kill()
            relay = Relay(url)
        elif victim == "platform":
            flotilla.kill()
            flotilla.spawn()
            flotilla.await_ready()
        else:
            database.restart()
    ended.set()
    for writer in writers:
        writer.join(PATIENCE)
        check(writer.failed is None and not writer.is_alive(), f"a writer failed: {writer.failed}")
        if writer.session is not None:
            writer.session.close()
    took = time.monotonic() - begun
    with Session(url) as session:
        wait_until(lambda: session.value("SELECT count(*) FROM outbox") == "0", "the outbox is empty", 60 * SLOWDOWN)
        ledger = session.run("SELECT id, topic FROM ledger")
    check_equal(relay.end(), 0, "the relay's exit code")
    return ledger, sum(writer.written for writer in writers), counts, took


def judge(ledger):
    for topic in ("orders", "mixed"):
        events = read_all(topic)
        names = [event["id"] for event in events]
        check_equal(len(names), len(set(names)), f"{topic}: events that are there more than once, against all")
        wanted = {name for name, where in ledger if where == topic}
        check_equal(wanted - set(names), set(), f"{topic}: what was committed and is not published")
        check_equal(set(names) - wanted, set(), f"{topic}: what is published and was not committed")
        of_key = {}
        for event in events:
            of_key.setdefault(event["partitionkey"], []).append(event["data"]["order"])
        for key, numbers in of_key.items():
            check_equal(numbers, list(range(1, len(numbers) + 1)), f"{topic}: the order of {key}")


def trial(kills, seed):
    with Postgres(durable=True) as database, Flotilla(CONFIG % "", ADMIN) as flotilla:
        ledger, written, counts, took = storm(flotilla, database, kills, seed)
        check(len(ledger) > 50, f"only {len(ledger)} events were committed")
        judge(ledger)
    print(f"{len(ledger)} events committed of {written} written in {took:.1f} s; killed: {counts}")


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 10, trial))
