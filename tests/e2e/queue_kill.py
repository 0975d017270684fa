"""The queue for later of the shipped program under kill -9: nothing that was called "pending" is lost.

Clients, each with keys of its own, send numbered charges to a service that goes and comes back, while the program is killed
at random moments. The service keeps a ledger: it acts once for each Idempotency-Key, and it fails, refuses, hangs up and
hangs. In the end every charge that was answered 202 must have been carried out or be a dead letter; no charge that was sent
without a key, or that the service has no ledger entry for, may have had two effects; the first effects of each key must be in
the order of acceptance.

    python3 tests/e2e/queue_kill.py --kills 100 --seed 7      ctest runs 8
"""
import asyncio
import json
import random
import sys

import kill_kit
from kit import PATIENCE, SLOWDOWN, AsyncClient, Flotilla, check

API, ADMIN, GATEWAY, SERVICE = 22750, 22751, 22752, 22753
CLIENTS = 6


def config(store, api, admin, gateway, service):
    return f"""admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "{store}" }}
services:
  ledger:
    url: http://127.0.0.1:{service}
    timeout: 500ms
    retry: {{ attempts: 1 }}
    circuit_breaker: {{ failures: 3, reset: 200ms }}
    fallback:
      queue:
        name: charges
        key: .key
        drain: 300/s
        concurrency: 8
        timeout: 500ms
        items: 100000
        retry: {{ attempts: 100, backoff: 5ms..50ms }}
gateways:
  public: {{ listen: 127.0.0.1:{gateway}, routes: [/charges: ledger] }}
"""


class Service:
    """A service that is not killed, but goes away, and keeps what it did, in order."""

    def __init__(self, seed, port):
        self.rng, self.port = random.Random(f"{seed}/service"), port
        self.effects = []      # (key, n, idempotency key), in order
        self.done = {}         # by idempotency key: the answer
        self.arrivals = 0
        self.healed = False
        self.server = None
        self.writers = set()

    async def come(self):
        self.server = await asyncio.start_server(self.talk, "127.0.0.1", self.port)

    async def go(self):
        if self.server is not None:
            self.server.close()
            self.server = None
        for writer in list(self.writers):
            writer.transport.abort()

    async def come_and_go(self, ended):
        while not ended.is_set():
            await asyncio.sleep(0.2 + self.rng.random())
            await self.go()
            await asyncio.sleep(0.2 + self.rng.random())
            await self.come()

    async def talk(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self.answer_one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def answer_one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = {name.lower(): value for name, value in
                  (line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)}
        body = json.loads(await reader.readexactly(int(fields.get("content-length", "0"))))
        self.arrivals += 1
        key = fields.get("idempotency-key")
        turn = 1 if self.healed else self.rng.random()
        if turn < 0.05:
            return False  # it does nothing, and hangs up
        status = 201
        if turn < 0.15:
            status = 503  # it does nothing
        elif body["n"] % 29 == 13:
            status = 422
        elif key is None or key not in self.done:
            self.effects.append((body["key"], body["n"], key))
            self.done[key] = status
        if turn < 0.25 and status == 201:
            if turn < 0.2:
                await asyncio.sleep(0.8)  # longer than the attempt may take
            return False  # it has done it, and hangs up
        text = json.dumps({"charged": body["n"]}).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        return True


async def charge(name, seed, ended, book, gateways=(GATEWAY,)):
    """One charge after the other, each sent until something is known of it. Every second one has a key of its own."""
    rng, number = random.Random(f"{seed}/{name}"), 0
    clients = [AsyncClient(port) for port in gateways]
    while not ended.is_set():
        body = {"key": f"{name}-{rng.randrange(2)}", "n": number}
        keyed = number % 2 == 0
        fields = "Content-Type: application/json\r\n" + (f"Idempotency-Key: {name}-{number}\r\n" if keyed else "")
        while True:
            try:
                status, answer, _ = await asyncio.wait_for(
                    rng.choice(clients).request("POST", "/charges", json.dumps(body).encode(), fields), 20 * SLOWDOWN)
            except (ConnectionError, asyncio.TimeoutError):  # killed, or stopped
                clients = [AsyncClient(port) for port in gateways]
                await asyncio.sleep(0.01)
                if keyed and not ended.is_set():
                    continue  # safe to send again
                book["unknown"].add((body["key"], number))
                break
            if status == 202:
                book["pending"].append((body["key"], number, answer.get("Queue-Item")))
                break
            if status in (201, 422):
                book["straight"].append((body["key"], number, status))
                break
            check(status in (502, 503, 504), f"status {status}: {answer.body}")
            if not keyed or ended.is_set():
                book["unknown"].add((body["key"], number))
                break
            await asyncio.sleep(0.02)
        number += 1
        await asyncio.sleep(rng.random() * 0.02)
    for client in clients:
        client.close()


async def items(state, api=API):
    return await kill_kit.items_of(api, f"/v1/queues/charges?limit=500&state={state}")


def judge(book, service, done, dead, ordered=lambda number: True):
    """`ordered`: of which charges the order is judged."""
    known = {item["id"]: item for item in done + dead}
    lost = [entry for entry in book["pending"] if entry[2] not in known]
    check(not lost, f"answered 'pending', and lost: {lost[:5]}")
    effects = [(key, number) for key, number, _ in service.effects]
    for key, number, identity in book["pending"]:
        if known[identity]["state"] == "done":
            check((key, number) in effects, f"{key}/{number} is done, and the service did not do it")
        elif known[identity]["reason"] == "refused":
            check((key, number) not in effects, f"{key}/{number} is refused, and the service did it")
    twice = {entry for entry in effects if effects.count(entry) > 1}
    check(not twice, f"done twice: {sorted(twice)[:5]}")
    first = {}
    for key, number, _ in book["pending"]:
        if ordered(number) and (key, number) in effects:
            first.setdefault(key, []).append((number, effects.index((key, number))))
    for key, pairs in first.items():
        places = [place for _, place in sorted(pairs)]
        check(places == sorted(places), f"the calls of {key} that waited were carried out as {pairs}")


async def run(flotilla, kills, seed):
    service, ended = Service(seed, SERVICE), asyncio.Event()
    book = {"pending": [], "straight": [], "unknown": set()}
    await service.come()
    charging = [asyncio.create_task(charge(f"c{n}", seed, ended, book)) for n in range(CLIENTS)]
    moving = asyncio.create_task(service.come_and_go(ended))
    await kill_kit.beside(kill_kit.kill_often(flotilla, kills, random.Random(seed), 0.8), charging)
    ended.set()
    await asyncio.gather(*charging, moving)
    service.healed = True
    deadline = asyncio.get_running_loop().time() + PATIENCE * 6
    while True:
        waiting = await items("pending") + await items("sending")
        if not waiting:
            break
        check(asyncio.get_running_loop().time() < deadline, f"{len(waiting)} calls still wait: {waiting[:3]}\n{flotilla.said()[-2000:]}")
        await asyncio.sleep(0.2)
    done, dead = await items("done"), await items("dead")
    await service.go()
    judge(book, service, done, dead)
    check(len(book["pending"]) > 3 * kills, f"only {len(book['pending'])} calls waited")
    reasons = {reason: sum(item.get("reason") == reason for item in dead) for reason in sorted({item["reason"] for item in dead})}
    print(f"{len(book['pending'])} calls were pending and {len(book['straight'])} went straight through {kills} kills; "
          f"{len(done)} done, dead letters {reasons}; {service.arrivals} arrivals, {len(service.effects)} effects")


def trial(kills, seed):
    with Flotilla(config("sqlite:data/queue.db", API, ADMIN, GATEWAY, SERVICE), ADMIN) as flotilla:
        asyncio.run(run(flotilla, kills, seed))


if __name__ == "__main__":
    sys.exit(kill_kit.main(__doc__, 8, trial))
