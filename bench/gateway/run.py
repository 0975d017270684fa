#!/usr/bin/env python3
"""CPU time per proxied HTTP/1.1 request: Flotilla beside nginx and HAProxy.

    ./dev bench gateway [--rounds 5] [--seconds 8] [--connections 64,512] [--only nginx,haproxy,flotilla,pipelined,relay]
    ./dev bench gateway --routes 10,100000

Method: each proxy has one worker, pinned to core 1; wrk and one cheap backend (a fixed 1 KiB JSON) share core 0. In each
round every proxy is measured in turn, so that a slow minute of the machine hits all alike; the figures are medians over
the rounds, with the smallest and largest. CPU time is what the kernel charged to the proxy's processes (utime + stime of
/proc/PID/stat, all threads), over the requests that wrk counted. nginx and HAProxy do nothing but forward; Flotilla runs
with breaker, bulkhead, retry budget, rate limit and metrics on; `pipelined` is the same with `pipelining: 8`, which the
peers do not have: requests that arrive together leave for the backend in one send. `relay` is the floor of the others: a program that passes bytes on
unread, with the system calls that no proxy can do without; what lies between it and a proxy is that proxy's own work.
With --routes, Flotilla alone is measured, once per number of routes, with requests spread evenly over all of them.
Everything listens on loopback, in a temporary folder.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs, cpu_seconds, find, pinned  # noqa: E402

BACKEND_PORT = 19080
PORTS = {"nginx": 19081, "haproxy": 19082, "flotilla": 19083, "pipelined": 19086, "relay": 19085}
ADMIN_PORTS = {"flotilla": 19084, "pipelined": 19087}
FIRST_ROUTES_PORT = 19100
LOAD_CORE, PROXY_CORE = 0, 1

NGINX = """
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 100000000;
  tcp_nodelay on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  timeout http-keep-alive 75s
  http-reuse always
frontend public
  bind 127.0.0.1:{port} backlog 4096
  default_backend backend
backend backend
  server one 127.0.0.1:{backend} maxconn 4096 pool-max-conn -1
"""

# Every protection on, with bounds that this load does not reach: the price of having them is measured, not refusals.
FLOTILLA = """
flotilla: 1
workers: 1
admin: {{ listen: 127.0.0.1:{admin} }}
defaults:
  timeout: 5s
  retry: {{ attempts: 2, reasons: [connect-failure, refused-stream, reset, 503], backoff: 25ms..250ms, budget: 20% }}
services:
  backend:
    url: http://127.0.0.1:{backend}
    pipelining: {pipelining}
    circuit_breaker: {{ failures: 5, reset: 60s }}
    bulkhead: {{ concurrent: 2000, queue: 100, wait: 100ms }}
    rate_limit: 1000000/s
gateways:
  public:
    listen: 127.0.0.1:{port}
    routes:
{routes}
"""

# One request for each route in turn, in an order that no cache can guess: steps of a number that shares no factor
# with powers of ten.
SPREAD = """
local at = 0
request = function()
  at = (at + 7919) % {routes}
  return wrk.format("GET", "/team-" .. at % 97 .. "/service-" .. at .. "/items/42")
end
"""


def start_proxy(programs, name, arguments):
    values = {"folder": programs.folder, "port": PORTS[name], "backend": BACKEND_PORT}
    if name in ADMIN_PORTS:
        return start_flotilla(programs, name, arguments, PORTS[name], ADMIN_PORTS[name], "      - /**: backend",
                              pipelining=8 if name == "pipelined" else 1)
    if name == "relay":
        relay = str((arguments.build / "bench_relay").resolve())
        return programs.start(name, PROXY_CORE, [relay, str(PORTS[name]), str(BACKEND_PORT)], PORTS[name])
    template, file = {"nginx": (NGINX, "nginx.conf"), "haproxy": (HAPROXY, "haproxy.cfg")}[name]
    config = programs.folder / file
    config.write_text(template.format(**values))
    command = {
        "nginx": [find("nginx"), "-p", str(programs.folder), "-c", str(config)],
        "haproxy": [find("haproxy"), "-db", "-f", str(config)],
    }[name]
    return programs.start(name, PROXY_CORE, command, PORTS[name])


def start_flotilla(programs, name, arguments, port, admin, routes, path="/users/42", pipelining=1):
    config = programs.folder / f"{name}.yaml"
    config.write_text(FLOTILLA.format(port=port, admin=admin, backend=BACKEND_PORT, routes=routes,
                                      pipelining=pipelining))
    return programs.start(name, PROXY_CORE, [str(arguments.flotilla), "up", str(config)], port, path)


def load(port, connections, seconds, script=None):
    """(requests, errors) of a wrk run; every answer that is not 2xx or 3xx is an error, and so is a broken connection."""
    command = pinned(LOAD_CORE, [find("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"])
    command += ["-s", str(script)] if script else []
    output = subprocess.run([*command, f"http://127.0.0.1:{port}/users/42"], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    errors = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", output))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return requests, errors + (int(refused.group(1)) if refused else 0)


def measure(pid, port, connections, seconds, script=None):
    """(microseconds of CPU per request, requests per second, errors)."""
    before = cpu_seconds(pid)
    requests, errors = load(port, connections, seconds, script)
    spent = cpu_seconds(pid) - before
    return spent * 1e6 / max(requests, 1), requests / seconds, errors


def report(connections, results):
    medians = {name: statistics.median(r[0] for r in rounds) for name, rounds in results.items()}
    if "nginx" in medians or "haproxy" in medians:
        better, to = min(medians[name] for name in ("nginx", "haproxy") if name in medians), "the better peer"
    else:
        to, better = next(iter(medians.items()))
    print(f"\n{connections} connections{'':8}us CPU/request (min..max)      requests/s    ratio to {to:15}    errors")
    for name, rounds in results.items():
        cpu = [r[0] for r in rounds]
        ratio = f"{medians[name] / better:.2f}"
        print(f"  {name:16}{medians[name]:12.2f}  ({min(cpu):.2f}..{max(cpu):.2f}){statistics.median(r[1] for r in rounds):17,.0f}"
              f"{ratio:>20}{sum(r[2] for r in rounds):18}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla and bench_backend")
    parser.add_argument("--flotilla", type=Path, help="the program (default: the one in the build folder)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8, help="of load, per measurement")
    parser.add_argument("--connections", default="64,512")
    parser.add_argument("--only", default="nginx,haproxy,flotilla,pipelined,relay", help="which proxies, with commas between")
    parser.add_argument("--routes", default="", help="numbers of routes, with commas between: compare Flotilla with itself")
    arguments = parser.parse_args()
    arguments.flotilla = (arguments.flotilla or arguments.build / "flotilla").resolve()
    arguments.only = arguments.only.split(",")
    arguments.routes = [int(n) for n in arguments.routes.split(",") if n]
    arguments.connections = [int(n) for n in arguments.connections.split(",")]
    unknown = set(arguments.only) - set(PORTS)
    if unknown:
        parser.error(f"--only {', '.join(unknown)}: known are {', '.join(PORTS)}")
    if os.cpu_count() < 2:
        parser.error("two cores are needed: one for the proxy, one for the load")
    if set(ADMIN_PORTS) & set(arguments.only) and not os.access(arguments.flotilla, os.X_OK):
        parser.error(f"{arguments.flotilla} is no program: build it, or name it with --flotilla, or leave it out with --only")
    return arguments


def rounds_of(arguments, connections, targets):
    """Per name of `targets` {name: (pid, port, script)}: its measurements, one per round, taken in turns."""
    results = {name: [] for name in targets}
    for _, port, script in targets.values():  # connections are opened and code is warm before anything counts
        load(port, connections, 1, script)
    for number in range(arguments.rounds):
        order = list(targets.items())
        shift = number % len(order)  # nobody is always the one after the idle pause
        for name, (pid, port, script) in order[shift:] + order[:shift]:
            results[name].append(measure(pid, port, connections, arguments.seconds, script))
        print(f"  round {number + 1} of {arguments.rounds} at {connections} connections", file=sys.stderr)
    return results


def routes_targets(programs, arguments):
    """One Flotilla per number of routes, each with the load that asks for all of them."""
    targets = {}
    for i, count in enumerate(arguments.routes):
        name, port = f"{count} routes", FIRST_ROUTES_PORT + 2 * i
        routes = "\n".join(f"      - GET /team-{n % 97}/service-{n}/items/{{id}}: backend" for n in range(count))
        script = programs.folder / f"{count}.lua"
        script.write_text(SPREAD.format(routes=count))
        pid = start_flotilla(programs, f"routes-{count}", arguments, port, port + 1, routes, "/team-0/service-0/items/42")
        targets[name] = (pid, port, script)
    return targets


def main():
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
        Path(folder).chmod(0o755)  # nginx's worker drops to another user
        backend = str((arguments.build / "bench_backend").resolve())
        programs.start("backend", LOAD_CORE, [backend, str(BACKEND_PORT), "1024"], BACKEND_PORT)
        if arguments.routes:
            targets = routes_targets(programs, arguments)
        else:
            targets = {name: (start_proxy(programs, name, arguments), PORTS[name], None) for name in arguments.only}
        for connections in arguments.connections:
            report(connections, rounds_of(arguments, connections, targets))


if __name__ == "__main__":
    main()
