#!/usr/bin/env python3
"""Reading views through the gateway beside nginx serving files of the same size, and what folding costs.

    ./dev bench views [--rounds 5] [--seconds 5] [--connections 64,512] [--keys 1,10000] [--bytes 300] [--only flotilla,nginx]

Reads: wrk asks for one key, or for --keys keys spread evenly. Flotilla answers GET /users/{user}/orders from the view, with
View-Position and View-Age; nginx answers the same path with a file of as many bytes, with sendfile and open_file_cache on, so
that it opens no file anew. Method: each server has one worker, pinned to core 1; wrk is on core 0. In each round the servers are
measured in turn; figures are medians over the rounds, with the smallest and largest. CPU time is what the kernel charged to the
server's processes (user + system, all threads), over the requests that wrk counted; an answer that is not 2xx ends the run.
Folding: --events events of as many bytes are published, and the view is then built anew from all of them, one row for each event
of its keys; the figure is events over the CPU time of the whole process meanwhile, commits and all.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs, cpu_seconds, find, pinned  # noqa: E402

GATEWAY, API, ADMIN, NGINX_PORT = 19501, 19502, 19503, 19504
PORTS = {"flotilla": GATEWAY, "nginx": NGINX_PORT}
LOAD_CORE, SERVER_CORE = 0, 1

FLOTILLA = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api} }}
stores: {{ journal: "sqlite:{folder}/flotilla.db" }}
gateways:
  public:
    listen: 127.0.0.1:{gateway}
    routes:
      - GET /users/{{user}}/orders: {{ view: orders, key: "{{user}}" }}
views:
  orders: {{ from: [order.created], key: .user, fold: $data }}
"""

NGINX = """
worker_processes 1;
worker_rlimit_nofile 32768;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 100000000;
  tcp_nodelay on;
  sendfile on;
  default_type application/json;
  open_file_cache max=20000 inactive=600s;
  open_file_cache_valid 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/files;
  }}
}}
"""

# One request for each key in turn, in an order that no cache can guess.
SPREAD = """
local at = 0
request = function()
  at = (at + 7919) % {keys}
  return wrk.format("GET", "/users/u" .. at .. "/orders")
end
"""


def ask(port, method, path, body=None, content="application/json"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body,
                                     headers={"Content-Type": content} if body else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def row(key, size):
    plain = json.dumps({"user": f"u{key}", "padding": ""}, separators=(",", ":"))
    return json.dumps({"user": f"u{key}", "padding": "x" * (size - len(plain))}, separators=(",", ":"))


def publish(rows):
    """In batches, each one commit."""
    for begin in range(0, len(rows), 100):
        body = ",".join(f'{{"specversion":"1.0","type":"order.created","source":"/bench","data":{each}}}'
                        for each in rows[begin:begin + 100])
        ask(API, "POST", "/v1/topics/order.created", f"[{body}]".encode(), "application/cloudevents-batch+json")


def shown():
    return json.loads(ask(ADMIN, "GET", "/api/v1/views/orders"))


def wait_for(condition, what):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited in vain until {what}")
        time.sleep(0.01)


def start_flotilla(programs, arguments, keys):
    config = programs.folder / "flotilla.yaml"
    config.write_text(FLOTILLA.format(folder=programs.folder, admin=ADMIN, api=API, gateway=GATEWAY))
    program = str((arguments.build / "flotilla").resolve())
    pid = programs.start("flotilla", SERVER_CORE, [program, "up", str(config)], ADMIN, "/readyz")
    publish([row(key, arguments.bytes) for key in range(keys)])
    wait_for(lambda: shown()["rows"] == keys and shown()["lag"] == 0, "the view has its rows")
    return pid


def start_nginx(programs, arguments, keys):
    for key in range(keys):
        file = programs.folder / "files" / "users" / f"u{key}" / "orders"
        file.parent.mkdir(parents=True)
        file.write_text(row(key, arguments.bytes))
    programs.folder.chmod(0o755)
    config = programs.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=programs.folder, port=NGINX_PORT))
    return programs.start("nginx", SERVER_CORE, [find("nginx"), "-p", str(programs.folder), "-c", str(config), "-g", "user root;"],
                          NGINX_PORT, "/users/u0/orders")


def load(port, connections, seconds, keys, folder):
    command = [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if keys > 1:
        script = folder / f"spread-{keys}.lua"
        script.write_text(SPREAD.format(keys=keys))
        command += ["-s", str(script)]
    output = subprocess.run(pinned(LOAD_CORE, [*command, f"http://127.0.0.1:{port}/users/u0/orders"]), capture_output=True,
                            text=True, check=True).stdout
    requests = re.search(r"(\d+) requests in", output)
    if not requests or "Non-2xx" in output or re.search(r"Socket errors: (?!connect 0, read 0, write 0, timeout 0)", output):
        sys.exit(f"reading failed:\n{output}")
    return int(requests.group(1))


def measure(pid, port, connections, seconds, keys, folder):
    before, begun = cpu_seconds(pid), time.monotonic()
    requests = load(port, connections, seconds, keys, folder)
    return {"requests": requests, "cpu": cpu_seconds(pid) - before, "seconds": time.monotonic() - begun}


def report(title, results):
    print(f"\n{title:34}reads/CPU-s (min..max)            reads/s    us/read")
    medians = {}
    for name, rounds in results.items():
        rates = [r["requests"] / r["cpu"] for r in rounds]
        medians[name] = statistics.median(rates)
        print(f"  {name:28}{medians[name]:12,.0f}  ({min(rates):,.0f}..{max(rates):,.0f})"
              f"{statistics.median(r['requests'] / r['seconds'] for r in rounds):14,.0f}{1e6 / medians[name]:11.2f}")
    if len(medians) == 2:
        print(f"  Flotilla over nginx, reads per CPU-second: {medians['flotilla'] / medians['nginx']:.2f}")


def measure_folding(programs, arguments, rounds):
    """Events that a version is built of, over the CPU time meanwhile."""
    pid = start_flotilla(programs, arguments, 1000)
    publish([row(n % 1000, arguments.bytes) for n in range(arguments.events)])
    wait_for(lambda: shown()["lag"] == 0, "the view has come to the end")
    rates, seconds = [], []
    for _ in range(rounds):
        version = shown()["version"]
        before, begun = cpu_seconds(pid), time.monotonic()
        ask(ADMIN, "POST", "/api/v1/views/orders/rebuild")
        wait_for(lambda version=version: shown()["version"] == version + 1, "the new version is read")
        rates.append((arguments.events + 1000) / (cpu_seconds(pid) - before))
        seconds.append(time.monotonic() - begun)
    print(f"\nfolding {arguments.events + 1000:,} events into 1,000 rows of {arguments.bytes} bytes, built anew {rounds} times")
    print(f"  events/CPU-s {statistics.median(rates):,.0f} ({min(rates):,.0f}..{max(rates):,.0f}), events/s "
          f"{(arguments.events + 1000) / statistics.median(seconds):,.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load, per measurement")
    parser.add_argument("--connections", default="64,512", help="with commas between")
    parser.add_argument("--keys", default="1,10000", help="how many are read, with commas between")
    parser.add_argument("--bytes", type=int, default=300, help="of an answer")
    parser.add_argument("--events", type=int, default=20_000, help="folded; 0: folding is not measured")
    parser.add_argument("--only", default="flotilla,nginx")
    arguments = parser.parse_args()
    starters = {"flotilla": start_flotilla, "nginx": start_nginx}
    names = arguments.only.split(",")
    for keys in (int(n) for n in arguments.keys.split(",")):
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
            pids = {name: starters[name](programs, arguments, keys) for name in names}
            for connections in (int(n) for n in arguments.connections.split(",")):
                for name in names:
                    load(PORTS[name], connections, 2, keys, Path(folder))  # warm
                results = {name: [] for name in names}
                for number in range(arguments.rounds):
                    for name in names[number % len(names):] + names[:number % len(names)]:
                        results[name].append(measure(pids[name], PORTS[name], connections, arguments.seconds, keys, Path(folder)))
                report(f"{keys:,} keys, {connections} connections", results)
    if arguments.events and "flotilla" in names:
        with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
            measure_folding(programs, arguments, arguments.rounds)


if __name__ == "__main__":
    main()
