#!/usr/bin/env python3
"""Durable three-step sagas: Flotilla beside Restate.

    ./dev bench saga [--rounds 5] [--seconds 10] [--clients 1,64] [--steps 3] [--only flotilla,restate]

Workload: a client submits an order and waits for its end; the order is a saga of three steps (or 1, or 9), each an
HTTP POST with a key to one shared, cheap service; 8 % are refused at the last step and their other steps undone; 2 % of
the calls are answered 500 once. Method: the engine (for Restate: its server and the Node process that runs the saga's
code) on core 1, services and load on core 0; both engines sync to disk before they answer, which is counted with strace
in a run of its own: fsyncs per saga. In each round every engine is measured in turn; figures are medians over the rounds
(smallest..largest). CPU time is user + system of all the engine's processes. Latencies of one client are those of its
sagas, each timed by itself. Those of many are wrk's own, which adds what requests would have met that a slow one kept from
being sent ("coordinated omission"): for one client that would count the pauses before retries many times over. At the end the services' own counts must
match: what was done and not undone is what was answered as completed.
Restate comes from its npm package (bench/saga/package.json), loopback, four partitions, no telemetry.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs, cpu_seconds, find, pinned  # noqa: E402

HERE = Path(__file__).resolve().parent
STEPS_PORT = 19300
FLOTILLA_API, FLOTILLA_ADMIN = 19301, 19302
RESTATE_INGRESS, RESTATE_ADMIN, RESTATE_NODE, RESTATE_SERVICE = 19311, 19312, 19313, 19314
LOAD_CORE, ENGINE_CORE = 0, 1

# Lua for wrk: every request is another order; one in 12.5 is refused. The answer's state is counted.
LOAD = """
local number, prefix = 0, "{prefix}"
local completed, compensated, other = 0, 0, 0
local ffi = require("ffi")
ffi.cdef("typedef struct {{ long seconds, nanoseconds; }} moment; int clock_gettime(int clock, moment* now);")
local moment = ffi.new("moment")
local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) * 1e6 + tonumber(moment.nanoseconds) / 1e3
end
local sent = 0
times = {{}}  -- in microseconds; a saga's own with one client only
request = function()
  number = number + 1
  local note = number % 25 < 2 and "refuse" or "accept"
  local body = '{{"order_id":"' .. prefix .. number .. '","amount":4200,"note":"' .. note .. '","items":["a","b","c"],' ..
    '"user":{{"id":"u-1","name":"Ada Lovelace","address":"12 St James Square, London"}},"padding":"{padding}"}}'
  sent = now()
  return wrk.format("POST", "{path}", {{["Content-Type"] = "application/json", ["Idempotency-Key"] = prefix .. number}}, body)
end
response = function(status, headers, body)
  times[#times + 1] = now() - sent
  if body:find('"completed"', 1, true) then completed = completed + 1
  elseif body:find('"compensated"', 1, true) then compensated = compensated + 1
  else
    other = other + 1
    if other < 4 then print("unexpected", status, body:sub(1, 300)) end
  end
  counted = completed .. " " .. compensated .. " " .. other
end
local threads = {{}}
setup = function(thread) table.insert(threads, thread) end
done = function(summary, latency, requests)
  print("ended", threads[1]:get("counted"))
  local half, most = latency:percentile(50), latency:percentile(99)
  if {clients} == 1 then
    local all = threads[1]:get("times")
    table.sort(all)
    half, most = all[math.ceil(#all * 0.5)], all[math.ceil(#all * 0.99)]
  end
  print("latency", half, most)
end
"""

FLOTILLA = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api} }}
stores: {{ journal: "sqlite:{folder}/flotilla.db" }}
services:
  steps: {{ url: http://127.0.0.1:{steps_port} }}
sagas:
  order:
    steps:
{steps}
"""

RESTATE = """
node-name = "bench"
base-dir = "{folder}/restate"
listen-mode = "tcp"
bind-ip = "127.0.0.1"
bind-port = {node}
auto-provision = true
default-num-partitions = 4
disable-telemetry = true
log-filter = "warn"
[admin]
bind-address = "127.0.0.1:{admin}"
disable-web-ui = true
[ingress]
bind-address = "127.0.0.1:{ingress}"
"""


def step_names(count):
    return (["reserve", "charge"] + [f"step{i}" for i in range(2, count - 1)])[: count - 1] + ["ship"]


def start_flotilla(programs, arguments):
    lines = []
    for name in step_names(arguments.steps):
        body = 'body: "{order: .input.order_id, amount: .input.amount, note: .input.note}"'
        if name == "ship":
            lines.append(f"      - ship: {{ kind: pivot, action: POST steps/ship, {body} }}")
        else:
            lines.append(f"      - {name}: {{ action: POST steps/{name}, {body}, undo: POST steps/undo-{name} }}")
    config = programs.folder / "flotilla.yaml"
    config.write_text(FLOTILLA.format(admin=FLOTILLA_ADMIN, api=FLOTILLA_API, folder=programs.folder,
                                      steps_port=STEPS_PORT, steps="\n".join(lines)))
    pid = programs.start("flotilla", ENGINE_CORE, [str(arguments.flotilla), "up", str(config)], FLOTILLA_ADMIN, "/readyz")
    return {"pids": [pid], "port": FLOTILLA_API, "path": "/v1/sagas/order?wait=10s"}


def install_restate():
    folder = HERE.parent.parent / "build" / "bench-restate"
    wanted = (HERE / "package.json").read_bytes()
    if not (folder / "package.json").exists() or (folder / "package.json").read_bytes() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        print("installing Restate from npm into build/bench-restate", file=sys.stderr)
        (folder / "package.json.part").write_bytes(wanted)
        shutil.copy(HERE / "package.json", folder / "package.json")
        done = subprocess.run([find("npm"), "install", "--no-audit", "--no-fund"], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode != 0:
            shutil.rmtree(folder)
            sys.exit(f"npm could not install Restate:\n{done.stderr}")
    shutil.copy(HERE / "restate_service.js", folder)
    return folder


def start_restate(programs, arguments):
    folder = install_restate()
    server = next(folder.glob("node_modules/@restatedev/restate-server-linux-*/bin/restate-server"))
    config = programs.folder / "restate.toml"
    config.write_text(RESTATE.format(folder=programs.folder, node=RESTATE_NODE, admin=RESTATE_ADMIN, ingress=RESTATE_INGRESS))
    engine = programs.start("restate", ENGINE_CORE, [str(server), "--no-logo", "--config-file", str(config)], RESTATE_ADMIN, "/health")
    environment = {**os.environ, "PORT": str(RESTATE_SERVICE), "STEPS_PORT": str(STEPS_PORT), "STEPS": str(arguments.steps)}
    service = programs.start("restate-service", ENGINE_CORE, [find("node"), str(folder / "restate_service.js")],
                             environment=environment)
    deadline = time.monotonic() + 30
    while True:
        request = urllib.request.Request(f"http://127.0.0.1:{RESTATE_ADMIN}/deployments", method="POST",
                                         data=json.dumps({"uri": f"http://127.0.0.1:{RESTATE_SERVICE}"}).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            urllib.request.urlopen(request, timeout=5).read()
            break
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"Restate does not take the service: {error}")
            time.sleep(0.2)
    return {"pids": [engine, service], "port": RESTATE_INGRESS, "path": "/order/place"}


def load(folder, engine, clients, seconds, prefix):
    """What wrk saw: sagas that ended completed and compensated, and latencies in ms."""
    script = folder / "load.lua"
    script.write_text(LOAD.format(prefix=prefix, path=engine["path"], padding="x" * 40, clients=clients))
    command = pinned(LOAD_CORE, [find("wrk"), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script),
                                 f"http://127.0.0.1:{engine['port']}/"])
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ended = re.search(r"ended\s+(\d+)\s+(\d+)\s+(\d+)", output)
    latency = re.search(r"latency\s+([\d.]+)\s+([\d.]+)", output)
    if not ended or int(ended.group(3)):
        sys.exit(f"answers that are no end of a saga:\n{output}")
    return {"completed": int(ended.group(1)), "compensated": int(ended.group(2)),
            "p50": float(latency.group(1)) / 1e3, "p99": float(latency.group(2)) / 1e3}


def measure(folder, engine, clients, seconds, prefix):
    before = sum(cpu_seconds(pid) for pid in engine["pids"])
    seen = load(folder, engine, clients, seconds, prefix)
    seen["cpu"] = sum(cpu_seconds(pid) for pid in engine["pids"]) - before
    seen["sagas"] = seen["completed"] + seen["compensated"]
    seen["seconds"] = seconds
    return seen


def fsyncs_per_saga(folder, engine, clients):
    """Counted with strace, in a run of its own because tracing slows."""
    trace = folder / "strace.out"
    tracers = [subprocess.Popen([find("strace"), "-f", "-qq", "-c", "-e", "trace=fsync,fdatasync,sync_file_range", "-o",
                                 f"{trace}.{pid}", "-p", str(pid)], stderr=subprocess.DEVNULL) for pid in engine["pids"][:1]]
    time.sleep(1)
    seen = load(folder, engine, clients, 3, "f")
    for tracer in tracers:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(timeout=20)
    text = "".join(path.read_text() for path in folder.glob("strace.out.*"))
    for path in folder.glob("strace.out.*"):
        path.unlink()
    calls = sum(int(line.split()[3]) for line in text.splitlines() if line.strip().endswith(("fsync", "fdatasync")))
    return calls / max(seen["completed"] + seen["compensated"], 1)


def report(clients, results, fsyncs):
    print(f"\n{clients} clients{'':12}sagas/CPU-s (min..max)       sagas/s    p50 ms    p99 ms    fsyncs/saga")
    for name, rounds in results.items():
        per_cpu = [r["sagas"] / r["cpu"] for r in rounds]
        print(f"  {name:16}{statistics.median(per_cpu):10,.0f}  ({min(per_cpu):,.0f}..{max(per_cpu):,.0f})"
              f"{statistics.median(r['sagas'] / r['seconds'] for r in rounds):16,.0f}"
              f"{statistics.median(r['p50'] for r in rounds):10.2f}{statistics.median(r['p99'] for r in rounds):10.2f}"
              f"{fsyncs[name]:12.2f}")
    if {"flotilla", "restate"} <= set(results):
        medians = {name: statistics.median(r["sagas"] / r["cpu"] for r in rounds) for name, rounds in results.items()}
        print(f"  Flotilla over Restate, sagas per CPU-second: {medians['flotilla'] / medians['restate']:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla and bench_steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10, help="of load, per measurement")
    parser.add_argument("--clients", default="1,64", help="how many at once, with commas between")
    parser.add_argument("--steps", type=int, default=3, choices=range(1, 65), metavar="N", help="of the saga")
    parser.add_argument("--only", default="flotilla,restate")
    arguments = parser.parse_args()
    arguments.flotilla = (arguments.build / "flotilla").resolve()
    starters = {"flotilla": start_flotilla, "restate": start_restate}
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
        steps = str((arguments.build / "bench_steps").resolve())
        programs.start("steps", LOAD_CORE, [steps, str(STEPS_PORT)], STEPS_PORT, "/counts")
        engines = {name: starters[name](programs, arguments) for name in arguments.only.split(",")}
        for clients in (int(n) for n in arguments.clients.split(",")):
            results = {name: [] for name in engines}
            for name, engine in engines.items():
                load(programs.folder, engine, clients, 3, f"w{clients}")  # warm
            for number in range(arguments.rounds):
                order = list(engines.items())
                for name, engine in order[number % len(order):] + order[: number % len(order)]:
                    results[name].append(measure(programs.folder, engine, clients, arguments.seconds, f"r{clients}-{number}-"))
                print(f"  round {number + 1} of {arguments.rounds} with {clients} clients", file=sys.stderr)
            fsyncs = {name: fsyncs_per_saga(programs.folder, engine, clients) for name, engine in engines.items()}
            report(clients, results, fsyncs)


if __name__ == "__main__":
    main()
