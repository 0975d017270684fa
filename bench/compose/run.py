#!/usr/bin/env python3
"""What composing five branches adds to the slowest of them.

    ./dev bench compose [--rounds 5] [--requests 200]

Method: five backends on loopback, four that answer after 5 ms and one after 20 ms. One client asks, in turns, the slow
backend directly, the same through a plain route of the gateway, and the gateway for the dashboard of all five, each on a
kept-alive connection. The figures are p50s per round, then the median (smallest..largest) over the rounds: what
composing adds is the dashboard less the plain route; the hop itself (two more wake-ups of sleeping processes, which any
program in between costs) is the plain route less the direct call, and stands beside it.
"""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import Programs  # noqa: E402

GATEWAY_PORT, ADMIN_PORT, FIRST_BACKEND_PORT = 19090, 19089, 19091
DELAYS_MS = {"user": 20, "orders": 5, "payments": 5, "notifications": 5, "recommendations": 5}
SLOW_PORT = FIRST_BACKEND_PORT  # "user", the first
LOAD_CORE, GATEWAY_CORE = 0, 1


def configuration():
    ports = {name: FIRST_BACKEND_PORT + i for i, name in enumerate(DELAYS_MS)}
    services = "".join(f"  {name}-service: {{ url: http://127.0.0.1:{port} }}\n" for name, port in ports.items())
    branches = "".join(f'    {name}: {{ call: "GET {name}-service/{name}?user_id={{id}}" }}\n' for name in ports)
    return (f"flotilla: 1\nworkers: 1\nadmin: {{ listen: 127.0.0.1:{ADMIN_PORT} }}\nservices:\n{services}"
            f"gateways:\n  public:\n    listen: 127.0.0.1:{GATEWAY_PORT}\n    routes:\n"
            f"      - GET /dashboard/{{id}}: {{ compose: dashboard }}\n      - GET /user: user-service\ncompositions:\n  dashboard:\n{branches}")


class Client:
    """One kept-alive connection; answers must carry a Content-Length or be chunked."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()

    def milliseconds(self):
        """The time from the request to the last byte of the answer."""
        started = time.perf_counter()
        self.socket.sendall(self.request)
        answer = b""
        while not self.complete(answer):
            got = self.socket.recv(65536)
            if not got:
                sys.exit("the connection was closed in the middle of an answer")
            answer += got
        spent = time.perf_counter() - started
        if not answer.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"not a 200: {answer[:300]!r}")
        return spent * 1e3

    @staticmethod
    def complete(answer):
        head, separator, body = answer.partition(b"\r\n\r\n")
        if not separator:
            return False
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return len(body) >= int(line.split(b":")[1])
        return body.endswith(b"0\r\n\r\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="build folder with flotilla and bench_backend")
    parser.add_argument("--flotilla", type=Path, help="the program (default: the one in the build folder)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200, help="of each kind, per round")
    arguments = parser.parse_args()
    flotilla = (arguments.flotilla or arguments.build / "flotilla").resolve()
    if not os.access(flotilla, os.X_OK):
        parser.error(f"{flotilla} is no program: build it, or name it with --flotilla")
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder, Programs(Path(folder)) as programs:
        backend = str((arguments.build / "bench_backend").resolve())
        for i, (name, delay) in enumerate(DELAYS_MS.items()):
            port = FIRST_BACKEND_PORT + i
            programs.start(name, LOAD_CORE, [backend, str(port), "1024", str(delay)], port)
        config = Path(folder, "flotilla.yaml")
        config.write_text(configuration())
        programs.start("flotilla", GATEWAY_CORE, [str(flotilla), "up", str(config)], GATEWAY_PORT, "/dashboard/42")
        os.sched_setaffinity(0, {LOAD_CORE})
        clients = {"direct": Client(SLOW_PORT, "/user?user_id=42"), "route": Client(GATEWAY_PORT, "/user?user_id=42"),
                   "dashboard": Client(GATEWAY_PORT, "/dashboard/42")}
        p50 = {name: [] for name in clients}
        for _ in range(arguments.rounds):
            taken = {name: [] for name in clients}
            for _ in range(arguments.requests):
                for name, client in clients.items():
                    taken[name].append(client.milliseconds())
            for name, times in taken.items():
                p50[name].append(statistics.median(times))
        for name, times in p50.items():
            print(f"{name:10} p50 {statistics.median(times):.3f} ms")
        for what, more, less in (("the hop adds", "route", "direct"), ("composing adds", "dashboard", "route")):
            added = [(a - b) * 1e3 for a, b in zip(p50[more], p50[less])]
            print(f"{what:15} {statistics.median(added):.0f} us ({min(added):.0f}..{max(added):.0f})")


if __name__ == "__main__":
    main()
