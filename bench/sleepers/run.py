#!/usr/bin/env python3
"""Many open sagas at once: what sleeping ones cost, how exactly they wake, how long a restart takes to go on with them.

    ./dev bench sleepers [--sagas 100000] [--timer 60] [--services 10] [--only sleep,recovery]

Method: the engine on core 1, services and load on core 0. A saga waits for its timer and then makes one request.
Sleep: all are started; resident memory before and with all of them asleep; then they wake, and of a sample the records
say by how many milliseconds each was late (the time at which the firing was decided, against the time asked for).
Recovery: the same sagas over several services; with all of them asleep the engine is killed with SIGKILL and started
again once every timer has passed. Told are the seconds from the start of the process until it serves, until the first of
them has ended, until all are in memory again, and until the last has ended. What is overdue is sent at a bounded pace
(200 first requests a second for each service), so the last one's time is the number of sagas over that pace.
Everything listens on loopback, in a temporary folder.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs, cpu_seconds, pinned, wait_for  # noqa: E402

STEPS_PORT, API_PORT, ADMIN_PORT = 19400, 19401, 19402
LOAD_CORE, ENGINE_CORE = 0, 1
CLIENTS = 64
SAMPLE = 1000

CONFIG = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api} }}
stores: {{ journal: "sqlite:{folder}/flotilla.db" }}
services:
{services}
sagas:
{sagas}
"""


class Engine:
    def __init__(self, programs, flotilla, timer, services):
        self.programs, self.flotilla, self.names = programs, flotilla, [f"sleeper{i}" for i in range(services)]
        self.config = programs.folder / "flotilla.yaml"
        self.config.write_text(CONFIG.format(
            admin=ADMIN_PORT, api=API_PORT, folder=programs.folder,
            services="\n".join(f"  bell{i}: {{ url: http://127.0.0.1:{STEPS_PORT} }}" for i in range(services)),
            sagas="\n".join(f"  sleeper{i}: {{ steps: [ {{ nap: {{ wait: {{ timer: {timer}s }} }} }}, "
                            f"{{ ring: {{ kind: pivot, action: POST bell{i}/ring }} }} ] }}" for i in range(services))))
        self.process = None

    def start(self):
        log = self.programs.folder / "flotilla.out"
        with log.open("w") as out:
            self.process = subprocess.Popen(pinned(ENGINE_CORE, [str(self.flotilla), "up", str(self.config)]),
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.programs.folder)
        self.programs.running.append(self.process)
        wait_for(ADMIN_PORT, "/readyz", self.process, "flotilla", log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def resident_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def metric(self, pattern):
        page = urllib.request.urlopen(f"http://127.0.0.1:{ADMIN_PORT}/metrics", timeout=10).read().decode()
        return sum(float(line.split()[-1]) for line in page.splitlines() if re.match(pattern, line))

    def ended(self):
        return self.metric(r'flotilla_saga_ended_total\{.*state="completed"')

    def live(self):
        return self.metric(r"flotilla_saga_live\{")


async def submit(names, first, last, ids):
    """Starts the sagas first..last-1 over one connection; their ids go to `ids`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", API_PORT)
    for number in range(first, last):
        body = json.dumps({"order_id": f"o-{number}", "note": "x" * 150}).encode()
        writer.write(b"POST /v1/sagas/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-%d\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (names[number % len(names)].encode(), number, len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head).group(1)))
        if b" 202 " not in head.split(b"\r\n")[0]:
            sys.exit(f"a start was answered with {head!r} {answer!r}")
        ids.append(json.loads(answer)["id"])
    writer.close()


async def submit_all(names, count):
    ids = []
    share = -(-count // CLIENTS)
    await asyncio.gather(*(submit(names, at, min(at + share, count), ids) for at in range(0, count, share)))
    return ids


def wait_until(reached, patience, what):
    """Seconds since the call until reached() holds."""
    started = time.monotonic()
    while not reached():
        if time.monotonic() - started > patience:
            sys.exit(f"{what}: not within {patience:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def lateness(saga):
    """Milliseconds by which the saga's timer fired late, from its records."""
    with urllib.request.urlopen(f"http://127.0.0.1:{API_PORT}/v1/sagas/{saga}?timeline=true", timeout=10) as answer:
        records = {record["type"]: record for record in json.load(answer)["timeline"]}
    return (moment(records["timer-fired"]["time"]) - moment(records["timer-set"]["due"])).total_seconds() * 1e3


def sleep(programs, arguments):
    engine = Engine(programs, arguments.flotilla, arguments.timer, 1)
    engine.start()
    before = engine.resident_mb()
    started, cpu = time.monotonic(), cpu_seconds(engine.process.pid)
    ids = asyncio.run(submit_all(engine.names, arguments.sagas))
    took = time.monotonic() - started
    if took > arguments.timer:
        sys.exit(f"starting them took {took:.0f} s, longer than they sleep: give a longer --timer")
    asleep, busy = engine.resident_mb(), cpu_seconds(engine.process.pid) - cpu
    wait_until(lambda: engine.ended() >= arguments.sagas, arguments.timer * 3 + 60, "waking all of them")
    late = sorted(lateness(saga) for saga in random.Random(1).sample(ids, min(SAMPLE, len(ids))))
    print(f"\nsleep: {arguments.sagas:,} sagas, started in {took:.1f} s ({busy:.1f} s of CPU)")
    print(f"  resident memory      {before:.0f} MiB before, {asleep:.0f} MiB with all asleep: "
          f"{(asleep - before) * 1024 / arguments.sagas:.2f} KiB a saga")
    print(f"  woken late by        median {statistics.median(late):.0f} ms, 99 % {late[int(len(late) * 0.99)]:.0f} ms, "
          f"at most {late[-1]:.0f} ms, earliest {late[0]:.0f} ms ({len(late):,} of them looked at)")


def recovery(programs, arguments):
    engine = Engine(programs, arguments.flotilla, arguments.timer, arguments.services)
    engine.start()
    asyncio.run(submit_all(engine.names, arguments.sagas))
    if engine.ended():
        sys.exit("some woke before the last was started: give a longer --timer")
    engine.kill()
    time.sleep(arguments.timer)  # the last one's timer passes
    started = time.monotonic()
    engine.start()
    serves = time.monotonic() - started
    patience = arguments.sagas / (100 * arguments.services) + 120
    first = serves + wait_until(lambda: engine.ended() > 0, patience, "the first")
    loaded = first + wait_until(lambda: engine.live() + engine.ended() >= arguments.sagas, patience, "reading all")
    cpu = cpu_seconds(engine.process.pid)
    last = loaded + wait_until(lambda: engine.ended() >= arguments.sagas, patience, "the last")
    print(f"\nrecovery: {arguments.sagas:,} sagas, all overdue, over {arguments.services} services")
    print(f"  serves after         {serves:.2f} s")
    print(f"  first ended after    {first:.2f} s")
    print(f"  all in memory after  {loaded:.1f} s ({cpu:.1f} s of CPU, {engine.resident_mb():.0f} MiB resident at the end)")
    print(f"  last ended after     {last:.1f} s (the pace alone: {arguments.sagas / (200 * arguments.services):.0f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla and bench_steps")
    parser.add_argument("--sagas", type=int, default=100_000)
    parser.add_argument("--timer", type=int, default=60, help="seconds that each sleeps; longer than starting all takes")
    parser.add_argument("--services", type=int, default=10, help="that recovered sagas are spread over")
    parser.add_argument("--only", default="sleep,recovery")
    arguments = parser.parse_args()
    arguments.flotilla = (arguments.build / "flotilla").resolve()
    parts = {"sleep": sleep, "recovery": recovery}
    for part in arguments.only.split(","):
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
            steps = str((arguments.build / "bench_steps").resolve())
            programs.start("steps", LOAD_CORE, [steps, str(STEPS_PORT)], STEPS_PORT, "/counts")
            parts[part](programs, arguments)


if __name__ == "__main__":
    os.sched_setaffinity(0, {LOAD_CORE})
    main()
