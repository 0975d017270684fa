"""Starts and ends the programs of a benchmark: pinned to a core, on loopback, in a temporary folder."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request


def find(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return found or sys.exit(f"{program} is missing: ./dev bench installs it")


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


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

    def start(self, name, core, command, port, path="/users/42"):
        log = self.folder / f"{name}.out"
        with log.open("w") as out:
            process = subprocess.Popen(pinned(core, command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder)
        self.running.append(process)
        wait_for(port, path, process, name, log)
        return process.pid
