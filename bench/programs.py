"""Starts and ends the programs of a benchmark: pinned to a core, on loopback, in a temporary folder."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def find(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return found or sys.exit(f"{program} is missing: ./dev bench installs it")


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


def descendants(pid):
    """pid and every process below it."""
    found = [pid]
    for parent in found:
        for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def cpu_seconds(pid):
    """User and system time of pid and its children, all threads, in seconds (resolution: one tick, 10 ms)."""
    ticks = 0
    for process in descendants(pid):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def wait_for(port, path, process, name, log):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"{name} ended with {process.returncode} before it served:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} does not answer GET {path} with 200 on port {port}:\n{log.read_text()}")


class Programs:
    """What was started; all of it ends with the block."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, name, core, command, port=None, path="/users/42", environment=None):
        """Its process id, once it answers GET `path` on `port` with 200 (without a port: at once)."""
        log = self.folder / f"{name}.out"
        with log.open("w") as out:
            process = subprocess.Popen(pinned(core, command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                                       env=environment)
        self.running.append(process)
        if port:
            wait_for(port, path, process, name, log)
        return process.pid
