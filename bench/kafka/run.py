#!/usr/bin/env python3
"""What a message costs the Kafka bridge, each way, against librdkafka's mock cluster.

    ./dev bench kafka [--rounds 5] [--messages 20000] [--bytes 300]

Out: with no broker there, --messages events with data of --bytes bytes are published; then the broker comes, and the CPU time of the
whole process is counted until Kafka has confirmed them all and each has come back as an echo and was dropped (a journal reads
the topics that it writes). In: another process with an empty journal and a group of its own stands ready with no broker there; the
broker comes, and its CPU time is counted until all are in its journal, committed, and their offsets, too. Each round begins
with a new cluster and new journals. The programs are on core 1, the cluster on core 0. CPU time is what the kernel charged to the
process (user + system, all threads, librdkafka's included). Figures are medians over the rounds, with the smallest and largest.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs, cpu_seconds, pinned  # noqa: E402

PORTS = {"out": (19521, 19522), "in": (19523, 19524)}  # admin, api
CLUSTER_CORE, PROGRAM_CORE, PARTITIONS = 0, 1, 4

FLOTILLA = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api} }}
stores: {{ journal: "sqlite:{folder}/{name}.db", events: "kafka://{brokers}" }}
topics: {{ orders: {{ key: .user }} }}
"""


class Cluster:
    """The mock cluster, obeying lines."""

    def __init__(self, program):
        self.process = subprocess.Popen(pinned(CLUSTER_CORE, [str(program)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.brokers = self.process.stdout.readline().strip()
        self.say(f"topic orders {PARTITIONS}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            sys.exit(f"the mock cluster: {line}: {answer}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def ask(port, method, path, body=None, content="application/json"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body,
                                     headers={"Content-Type": content} if body else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def publish(port, messages, size):
    """In batches, each one commit."""
    for begin in range(0, messages, 100):
        events = []
        for number in range(begin, min(begin + 100, messages)):
            data = {"user": f"u{number % 1000}", "padding": ""}
            data["padding"] = "x" * (size - len(json.dumps(data, separators=(",", ":"))))
            events.append({"specversion": "1.0", "type": "orders", "source": "/bench", "data": data})
        ask(port, "POST", "/v1/topics/orders", json.dumps(events, separators=(",", ":")).encode(), "application/cloudevents-batch+json")


def metrics(port):
    found = {}
    for line in ask(port, "GET", "/metrics").decode().splitlines():
        if line.startswith("flotilla_kafka_"):
            name, value = line.rsplit(" ", 1)
            found[name.removeprefix("flotilla_kafka_")] = float(value)
    return found


def wait_for(condition, what):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain until {what}")
        time.sleep(0.1)


def start(programs, name, arguments, brokers):
    admin, api = PORTS[name]
    config = programs.folder / f"{name}.yaml"
    config.write_text(FLOTILLA.format(folder=programs.folder, name=name, admin=admin, api=api, brokers=brokers))
    return programs.start(name, PROGRAM_CORE, [str((arguments.build / "flotilla").resolve()), "up", str(config)], admin, "/readyz")


def measure(pid, cluster, done, what):
    before, begun = cpu_seconds(pid), time.monotonic()
    cluster.say("up 1")
    wait_for(done, what)
    return {"cpu": cpu_seconds(pid) - before, "seconds": time.monotonic() - begun}


def kept(port):
    """How many events the topic has."""
    count, token = 0, "0"
    while True:
        page = json.loads(ask(port, "GET", f"/v1/topics/orders?from={token}&limit=1000"))
        if not page["events"]:
            return count
        count, token = count + len(page["events"]), page["next"]


def one_round(arguments):
    results = {}
    wanted = arguments.messages
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs, \
         Cluster(arguments.build / "kafka_mock_cluster") as cluster:
        cluster.say("down 1")
        pid, admin = start(programs, "out", arguments, cluster.brokers), PORTS["out"][0]
        publish(PORTS["out"][1], wanted, arguments.bytes)

        def sent():
            now = metrics(admin)
            return now["confirmed_total"] >= wanted and now["echoes_total"] >= wanted and now["unsettled"] == 0
        results["out"] = measure(pid, cluster, sent, "all are confirmed and have come back")
        cluster.say("down 1")
        pid, admin = start(programs, "in", arguments, cluster.brokers), PORTS["in"][0]

        def read():
            now = metrics(admin)
            return now["received_total"] >= wanted and now["waiting"] == 0
        results["in"] = measure(pid, cluster, read, "all have come")
        if (count := kept(PORTS["in"][1])) != wanted:
            sys.exit(f"{count} events came of {wanted}")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla and kafka_mock_cluster")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000, help="at most 20,000: a mock broker forgets beyond some MiB")
    parser.add_argument("--bytes", type=int, default=300, help="of an event's data")
    arguments = parser.parse_args()
    rounds = [one_round(arguments) for _ in range(arguments.rounds)]
    print(f"{arguments.messages:,} events with {arguments.bytes} bytes of data, {arguments.rounds} rounds")
    for name, title in (("out", "journal to Kafka, echo dropped"), ("in", "Kafka to journal")):
        costs = sorted(1e6 * each[name]["cpu"] / arguments.messages for each in rounds)
        rate = arguments.messages / statistics.median(each[name]["seconds"] for each in rounds)
        print(f"  {title:32}{statistics.median(costs):8.1f} us of CPU each ({costs[0]:.1f}..{costs[-1]:.1f}), {rate:,.0f} a second")


if __name__ == "__main__":
    main()
