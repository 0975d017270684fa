#!/usr/bin/env python3
"""Durable publishing: Flotilla's topics beside Redis Streams and a PostgreSQL table.

    ./dev bench events [--rounds 5] [--seconds 8] [--publishers 1,16,256] [--bytes 1024] [--ids] [--batch 1] [--only ...]

Workload: each publisher publishes one event of --bytes after the other, and waits until it is on disk: Flotilla answers 202,
Redis (appendonly, appendfsync always) answers XADD, PostgreSQL (synchronous_commit on) commits an INSERT of a prepared
statement into (id bigint identity, topic text, data bytea) with an index on topic and id. With --ids a publisher of Flotilla
names its events, which are then deduplicated; the others never deduplicate. With --batch N a publication has N events: a
batch of CloudEvents, N XADD in a pipeline, an INSERT of N rows. Method: each server with all its threads and processes on
core 1, load (wrk, redis-benchmark, pgbench) on core 0. In each round every server is measured in turn; figures are medians
over the rounds (smallest..largest). CPU time is user + system of the server's processes. Syncs are counted with strace in a run
of its own. A server starts empty, and grows while it is measured.
"""

import argparse
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests" / "postgres")]
import server as postgres  # noqa: E402
from programs import TICKS_PER_SECOND, Programs, descendants, find, pinned  # noqa: E402

API, ADMIN, REDIS = 19401, 19402, 19403
LOAD_CORE, SERVER_CORE = 0, 1

FLOTILLA = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api} }}
stores: {{ journal: "sqlite:{folder}/flotilla.db" }}
topics:
  bench: {{}}
"""

# Lua for wrk: one event, or a batch, after the other.
LOAD = """
local number, batch, named = 0, {batch}, {named}
local data = '{{"padding":"' .. string.rep("x", {bytes} - 14) .. '"}}'
local structured = {{["Content-Type"] = "application/cloudevents-batch+json"}}
local fields = {{["Content-Type"] = "application/json"}}
local function next_id()
  number = number + 1
  return "{prefix}-" .. string.format("%09d", number)
end
request = function()
  if batch == 1 then
    if named then fields["ce-id"] = next_id() end
    return wrk.format("POST", "/v1/topics/bench", fields, data)
  end
  local events = {{}}
  for i = 1, batch do
    events[i] = named and '{{"id":"' .. next_id() .. '","data":' .. data .. '}}' or '{{"data":' .. data .. '}}'
  end
  return wrk.format("POST", "/v1/topics/bench", structured, "[" .. table.concat(events, ",") .. "]")
end
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print("ended", summary.requests, failed, latency:percentile(50), latency:percentile(99))
end
"""


class Flotilla:
    def __init__(self, programs, arguments):
        self.folder, self.arguments, self.runs = programs.folder, arguments, 0
        config = programs.folder / "flotilla.yaml"
        config.write_text(FLOTILLA.format(admin=ADMIN, api=API, folder=programs.folder))
        program = str((arguments.build / "flotilla").resolve())
        self.pid = programs.start("flotilla", SERVER_CORE, [program, "up", str(config)], ADMIN, "/readyz")

    def load(self, publishers, seconds):
        """Events published, and latencies in ms: (count, p50, p99)."""
        self.runs += 1
        script = self.folder / "load.lua"
        script.write_text(LOAD.format(batch=self.arguments.batch, named="true" if self.arguments.ids else "false",
                                      bytes=self.arguments.bytes, prefix=f"run{self.runs}"))
        output = subprocess.run(
            pinned(LOAD_CORE, [find("wrk"), "-t1", f"-c{publishers}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script),
                               f"http://127.0.0.1:{API}/"]), capture_output=True, text=True, check=True).stdout
        ended = re.search(r"ended\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)", output)
        if not ended or int(ended.group(2)):
            sys.exit(f"publishing failed:\n{output}")
        return int(ended.group(1)) * self.arguments.batch, float(ended.group(3)) / 1e3, float(ended.group(4)) / 1e3

    def stop(self):
        pass


class Redis:
    def __init__(self, programs, arguments):
        self.arguments = arguments
        folder = programs.folder / "redis"
        folder.mkdir()
        self.pid = programs.start("redis", SERVER_CORE, [
            find("redis-server"), "--port", str(REDIS), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes",
            "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--save", ""])
        deadline = time.monotonic() + 10
        while subprocess.run([find("redis-cli"), "-p", str(REDIS), "ping"], capture_output=True).stdout != b"PONG\n":
            if time.monotonic() > deadline:
                sys.exit("redis-server does not answer")
            time.sleep(0.05)
        self.rate = 500  # events a second, as measured last: how many make so many seconds

    def load(self, publishers, seconds):
        count = max(publishers * 4 * self.arguments.batch, int(self.rate * seconds))
        begun = time.monotonic()
        output = subprocess.run(
            pinned(LOAD_CORE, [find("redis-benchmark"), "-p", str(REDIS), "-c", str(publishers), "-n", str(count), "-P",
                               str(self.arguments.batch), "--precision", "3", "--csv", "XADD", "bench", "*", "data",
                               "x" * self.arguments.bytes]), capture_output=True, text=True, check=True).stdout
        self.rate = count / (time.monotonic() - begun)
        row = [cell.strip('"') for cell in output.strip().splitlines()[-1].rsplit(",", 7)]
        return count, float(row[4]), float(row[6])

    def stop(self):
        pass


class Postgres:
    def __init__(self, programs, arguments):
        self.folder, self.arguments = programs.folder / "postgres", arguments
        postgres.start(str(self.folder), durable=True)
        self.url = postgres.read(str(self.folder), "url")
        if not self.url:
            sys.exit("PostgreSQL is missing: ./dev bench installs it")
        data = Path(postgres.read(str(self.folder), "data")) / "data"
        self.pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        subprocess.run(["taskset", "-a", "-c", "-p", str(SERVER_CORE), str(self.pid)], check=True, stdout=subprocess.DEVNULL)
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            subprocess.run(["taskset", "-c", "-p", str(SERVER_CORE), child], stdout=subprocess.DEVNULL)
        self.sql("CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, data bytea NOT NULL);"
                 "CREATE INDEX ON events (topic, id)")
        row = f"('bench', convert_to('{'x' * arguments.bytes}', 'UTF8'))"
        (programs.folder / "insert.sql").write_text(
            f"INSERT INTO events (topic, data) VALUES {', '.join([row] * arguments.batch)};\n")
        self.script = programs.folder / "insert.sql"

    def sql(self, text):
        subprocess.run([find("psql"), "-q", "-d", self.url, "-c", text], check=True)

    def load(self, publishers, seconds):
        output = subprocess.run(
            pinned(LOAD_CORE, [f"{postgres.programs()}/pgbench", "-n", "-M", "prepared", "-c", str(publishers), "-j", "1", "-T",
                               str(seconds), "-f", str(self.script), self.url]), capture_output=True, text=True, check=True).stdout
        count = re.search(r"transactions actually processed: (\d+)", output)
        average = re.search(r"latency average = ([\d.]+)", output)
        if not count or not average:
            sys.exit(f"pgbench says:\n{output}")
        count, average = int(count.group(1)), float(average.group(1))
        return count * self.arguments.batch, average, float("nan")

    def stop(self):
        postgres.stop(str(self.folder))


def cpu_seconds(pid):
    """User and system time of pid and all that ever descended from it: PostgreSQL has a process for each connection."""
    ticks = 0
    for process in descendants(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue  # it has just ended, and is counted with its parent's
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_SECOND


def measure(engine, publishers, seconds):
    before, begun = cpu_seconds(engine.pid), time.monotonic()
    count, p50, p99 = engine.load(publishers, seconds)
    took = time.monotonic() - begun
    time.sleep(0.5)  # until processes of connections have ended
    return {"count": count, "cpu": cpu_seconds(engine.pid) - before, "seconds": took, "p50": p50, "p99": p99}


def syncs_per_event(folder, engine, publishers):
    """Counted with strace, in a run of its own because tracing slows."""
    trace = folder / "strace.out"
    tracer = subprocess.Popen([find("strace"), "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync", "-o", str(trace), "-p",
                               str(engine.pid)], stderr=subprocess.DEVNULL)
    time.sleep(1)
    count, _, _ = engine.load(publishers, 3)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(timeout=20)
    calls = sum(int(line.split()[3]) for line in trace.read_text().splitlines() if line.strip().endswith(("fsync", "fdatasync")))
    return calls / max(count, 1)


def report(publishers, results, syncs):
    print(f"\n{publishers} publishers{'':8}events/CPU-s (min..max)       events/s    p50 ms    p99 ms    syncs/event")
    medians = {}
    for name, rounds in results.items():
        per_cpu = [r["count"] / r["cpu"] for r in rounds]
        medians[name] = statistics.median(per_cpu)
        print(f"  {name:16}{medians[name]:10,.0f}  ({min(per_cpu):,.0f}..{max(per_cpu):,.0f})"
              f"{statistics.median(r['count'] / r['seconds'] for r in rounds):16,.0f}"
              f"{statistics.median(r['p50'] for r in rounds):10.2f}{statistics.median(r['p99'] for r in rounds):10.2f}"
              f"{syncs.get(name, float('nan')):12.3f}")
    others = [value for name, value in medians.items() if name != "flotilla"]
    if "flotilla" in medians and others:
        print(f"  Flotilla over the best other, events per CPU-second: {medians['flotilla'] / max(others):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of load, per measurement")
    parser.add_argument("--publishers", default="1,16,256", help="how many at once, with commas between")
    parser.add_argument("--bytes", type=int, default=1024, help="of each event's data")
    parser.add_argument("--batch", type=int, default=1, help="events in one publication")
    parser.add_argument("--ids", action="store_true", help="publishers of Flotilla name their events")
    parser.add_argument("--only", default="flotilla,redis,postgres")
    parser.add_argument("--no-syncs", action="store_true", help="do not count syncs")
    arguments = parser.parse_args()
    starters = {"flotilla": Flotilla, "redis": Redis, "postgres": Postgres}
    engines = {}
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
        try:
            for name in arguments.only.split(","):
                engines[name] = starters[name](programs, arguments)
            for publishers in (int(n) for n in arguments.publishers.split(",")):
                results = {name: [] for name in engines}
                for engine in engines.values():
                    engine.load(publishers, 6)  # warm
                for number in range(arguments.rounds):
                    order = list(engines.items())
                    for name, engine in order[number % len(order):] + order[: number % len(order)]:
                        results[name].append(measure(engine, publishers, arguments.seconds))
                    print(f"  round {number + 1} of {arguments.rounds} with {publishers} publishers", file=sys.stderr)
                syncs = {} if arguments.no_syncs else {name: syncs_per_event(Path(folder), engine, publishers)
                                                       for name, engine in engines.items()}
                report(publishers, results, syncs)
        finally:
            for engine in engines.values():
                engine.stop()


if __name__ == "__main__":
    main()
