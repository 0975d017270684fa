"""Changes without losses: reloads under load, bad files that change nothing, a shutdown that finishes what was asked."""
import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from kit import (PATIENCE, PROGRAM, SLOWDOWN, Answer, AsyncClient, Backend, Flotilla, Wire, ask, case, check,
                 check_equal, check_problem, main, wait_until)

GATEWAY, ADMIN, SERVICE = 21500, 21501, 21510


def config(marker, extra=""):
    """A file whose /marker route tells which version of it is in force."""
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
services:
  service: {{ url: "http://127.0.0.1:{SERVICE}" }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - /work/**: service
      - GET /marker: {{ respond: {{ body: "{marker}" }} }}
{extra}"""


def marker():
    return ask(GATEWAY, "GET", "/marker").body.decode()


class Load:
    """Keep-alive clients that ask until told to stop, and remember what went wrong."""

    def __init__(self, clients=16):
        self.clients = clients
        self.answered = 0
        self.faults = []
        self.ended = False
        self.draining = False  # from now on a refused connection is how it should be
        self.refused = 0

    async def client(self):
        http = AsyncClient(GATEWAY)
        while not self.ended:
            fresh = http.streams is None
            try:
                status, message, _ = await http.request("POST", "/work/x", b"x" * 100)
                if status == 200 and message.json()["service"] == "service":
                    self.answered += 1
                else:
                    self.faults.append((status, message.body[:200]))
            except ConnectionError as error:
                if fresh and self.draining and "ConnectionRefused" in str(error):
                    self.refused += 1
                    break
                self.faults.append(str(error))
        http.close()

    async def run(self, meanwhile):
        clients = [asyncio.ensure_future(self.client()) for _ in range(self.clients)]
        try:
            await asyncio.to_thread(wait_until, lambda: self.answered > 200 or self.faults, "the load runs")
            await asyncio.to_thread(meanwhile)
        finally:
            self.ended = not self.draining
            await asyncio.wait_for(asyncio.gather(*clients), 2 * PATIENCE)

    def check(self):
        check(not self.faults, f"{len(self.faults)} requests lost, {self.answered} answered: {self.faults[:5]}")


@case
def ten_reloads_under_load_lose_nothing(backend):
    backend.behave = backend.echo
    load = Load()
    with Flotilla(config("v0"), ADMIN) as flotilla:
        def reload():
            for i in range(1, 11):
                flotilla.file.write_text(config(f"v{i}"))
                if i % 2:
                    answer = flotilla.admin("POST", "/api/v1/config/reload")
                    check_equal(answer.status // 100, 2, f"the reload ({answer.body[:200]})")
                    check_equal(marker(), f"v{i}", "the file in force when the reload was answered")
                else:
                    flotilla.process.send_signal(signal.SIGHUP)
                    wait_until(lambda: marker() == f"v{i}", "SIGHUP reloads")
                answered = load.answered
                wait_until(lambda: load.answered > answered + 50, "the load gets on")

        asyncio.run(load.run(reload))
        load.check()
    return f"{load.answered} requests"


@case
def a_bad_file_changes_nothing_and_says_where(backend):
    backend.behave = backend.echo
    with Flotilla(config("good"), ADMIN) as flotilla:
        for bad, place in ((config("bad", "surprise: 1\n"), ":10:1:"),
                           (config("bad").replace("/work/**: service", "/work/**: { proxies: service }"), ":8:21:"),
                           (config("bad").replace("services:", "services: ["), ":"),
                           ("", "")):
            flotilla.file.write_text(bad)
            answer = flotilla.admin("POST", "/api/v1/config/reload")
            check(400 <= answer.status < 500, f"a bad file was answered {answer.status}")
            check(f"flotilla.yaml{place}" in answer.json()["detail"], f"{place} is not named: {answer.json()}")
            check_equal((marker(), ask(GATEWAY, "GET", "/work/x").status), ("good", 200), "what was in force")
        flotilla.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "flotilla.yaml" in flotilla.said(), "SIGHUP with a bad file is logged")
        check_equal(marker(), "good", "what was in force")
        flotilla.file.write_text(config("better"))
        check_equal(flotilla.admin("POST", "/api/v1/config/reload").status // 100, 2, "a good file after that")
        check_equal(marker(), "better", "the file in force")


@case
def a_request_that_runs_keeps_its_configuration(backend):
    backend.behave = lambda request: Answer(200, "slow", delay=1.0)
    with Flotilla(config("v0"), ADMIN) as flotilla, Wire(GATEWAY) as wire:
        backend.forget()
        wire.request("GET", "/work/x")
        wait_until(lambda: backend.requests, "it is on its way")
        flotilla.file.write_text(config("v1").replace("      - /work/**: service\n", ""))
        check_equal(flotilla.admin("POST", "/api/v1/config/reload").status // 100, 2, "the reload")
        check_problem(ask(GATEWAY, "GET", "/work/x"), 404, "no-route")
        check_equal(wire.response().json(), "slow", "the answer of the request that ran")
        wire.request("GET", "/work/x")
        check_problem(wire.response(), 404, "no-route")


@case
def a_shutdown_under_load_loses_nothing(backend):
    backend.behave = lambda request: Answer(200, {"service": "service"}, delay=0.02)
    load = Load()
    flotilla = Flotilla(config("v0"), ADMIN)
    try:
        def stop():
            load.draining = True
            flotilla.process.send_signal(signal.SIGTERM)
            wait_until(lambda: flotilla.process.poll() is not None, "it ends", timeout=12 * SLOWDOWN)

        asyncio.run(load.run(stop))
        load.check()
        check_equal(load.refused, load.clients, "clients that were sent away and then refused")
    finally:
        code = flotilla.stop()
    check_equal(code, 0, "the exit code")
    return f"{load.answered} requests"


@case
def a_shutdown_waits_for_what_runs(backend):
    backend.behave = lambda request: Answer(200, "slow", delay=2.0)
    backend.forget()
    flotilla = Flotilla(config("v0"), ADMIN)
    try:
        with Wire(GATEWAY) as wire, Wire(GATEWAY) as idle:
            wire.request("GET", "/work/x")
            wait_until(lambda: backend.requests, "it is on its way")
            flotilla.process.send_signal(signal.SIGTERM)
            check(idle.ended(), "an idle connection is closed")
            answer = wire.response()
            check(answer is not None, "the request that ran was dropped")
            check_equal((answer.json(), answer.get("Connection")), ("slow", "close"), "its answer")
        wait_until(lambda: flotilla.process.poll() is not None, "it ends once that is answered", timeout=3 * SLOWDOWN)
    finally:
        code = flotilla.stop()
    check_equal(code, 0, "the exit code")


@case
def a_second_process_on_a_taken_port_is_refused(_):
    with Flotilla(config("v0"), ADMIN) as flotilla:
        second = subprocess.run([PROGRAM, "up", str(flotilla.file)], capture_output=True, text=True, timeout=PATIENCE)
        check_equal(second.returncode, 1, "the exit code")
        check(str(GATEWAY) in second.stderr or str(ADMIN) in second.stderr, f"the address is not named: {second.stderr}")
        check_equal(marker(), "v0", "the first one")


BAD_FILES = {
    # what is wrong: (file, position and words that must be said)
    "unknown key": ("gatways: {}\n", ":1:1:", "gateways"),
    "unit missing": ("services:\n  a: { timeout: 5 }\n", ":2:17:", "duration"),
    "not YAML": ("services: [\n", ":2:", ""),
    "wrong type": ("workers: many\n", ":1:10:", ""),
    "duplicate key": ("services: {}\nservices: {}\n", ":2:1:", ""),
    "unknown composition": ("gateways:\n  g:\n    listen: 127.0.0.1:21502\n    routes:\n      - GET /x: { compose: nothing }\n",
                            ":5:", "nothing"),
    "bad expression": ('gateways:\n  g:\n    listen: 127.0.0.1:21502\n    routes:\n      - GET /x: { compose: c, shape: "{a: " }\n'
                       'compositions:\n  c:\n    a: { call: "GET s/x" }\n', ":5:", ""),
    "bad pattern": ('gateways:\n  g:\n    listen: 127.0.0.1:21502\n    routes:\n      - "~/a(": s\n', ":5:", ""),
    "beyond loopback": ("admin: { listen: 0.0.0.0:21502 }\n", ":1:", "token"),
    "health without a slash": ("services:\n  s: { url: 'http://127.0.0.1:1', health: { path: up } }\n", ":2:", "path"),
    "later key": ("migrations: {}\n", ":1:1:", "not in this build"),
}


@case
def check_names_every_fault_with_its_place(_):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "fleet.yaml"
        faults = []
        for name, (text, place, word) in BAD_FILES.items():
            file.write_text(text)
            done = subprocess.run([PROGRAM, "check", str(file)], capture_output=True, text=True, timeout=PATIENCE)
            if done.returncode != 1 or f"{file}{place}" not in done.stderr or word not in done.stderr:
                faults.append(f"{name}: exit {done.returncode}, {done.stderr!r}, wanted {place} {word}")
        check(not faults, "\n  ".join(["", *faults]))
        file.write_text(config("v0"))
        check_equal(subprocess.run([PROGRAM, "check", str(file)], capture_output=True, timeout=PATIENCE).returncode, 0, "a good file")
        missing = subprocess.run([PROGRAM, "check", os.path.join(folder, "none.yaml")], capture_output=True, text=True, timeout=PATIENCE)
        check_equal((missing.returncode, "none.yaml" in missing.stderr), (1, True), "a file that is not there")
        check_equal(subprocess.run([PROGRAM, "chekc"], capture_output=True, timeout=PATIENCE).returncode, 2, "wrong usage")


if __name__ == "__main__":
    with Backend(SERVICE) as service:
        sys.exit(main(service))
