"""The built program, started on a configuration in a folder of its own."""
import os
import pathlib
import signal
import subprocess
import tempfile

from checks import PROGRAM, SLOWDOWN, Failed, check, wait_until
from wire import Wire


class Flotilla:
    """`flotilla up` of a configuration in a folder of its own. The admin port says when it is ready."""

    def __init__(self, config, admin_port, environment=None):
        self.admin_port = admin_port
        self.environment = {**os.environ, **(environment or {})}
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-e2e-")
        self.file = pathlib.Path(self.folder.name) / "flotilla.yaml"
        self.file.write_text(config)
        self.output = pathlib.Path(self.folder.name) / "output.txt"
        self.spawn()
        try:
            self.await_ready()
        except Failed:
            said = self.output.read_text(errors="replace")
            self.stop()
            raise Failed(f"the program does not come up:\n{said}") from None

    def spawn(self, **how):
        """Starts the process, and waits for nothing. `how`: more for Popen."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen([PROGRAM, "up", str(self.file)], stdout=output, stderr=output,
                                            env=self.environment, **how)

    def await_ready(self):
        wait_until(self._ready, "the program is ready")

    def kill(self):
        """SIGKILL. The folder stays for the next spawn()."""
        self.process.kill()
        self.process.wait()

    def _ready(self):
        check(self.process.poll() is None, f"the program ended with {self.process.returncode}")
        try:
            return self.admin("GET", "/readyz").status == 200
        except (OSError, Failed):
            return False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = self.stop()
        # An exception on its way says more; the SystemExit of a script's end is none.
        check(code == 0 or (kind is not None and issubclass(kind, Exception)), f"the program ended with {code}")

    def end(self):
        """SIGTERM. The folder stays for the next spawn()."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15 * SLOWDOWN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self):
        """Ends it, and says its exit code: not 0 if it crashed, could not end, or a sanitizer found something."""
        self.end()
        code = self.process.returncode
        if code not in (0, None) and self.output.exists():
            said = self.said()
            finding = said.find("Sanitizer")
            said = said[-2000:] if finding < 0 else said[max(0, finding - 200):][:20000]
            print(f"the program ended with {code}; its last words:\n{said}", flush=True)
        self.folder.cleanup()
        return code

    def said(self):
        return self.output.read_text(errors="replace")

    def admin(self, method, path, body=b""):
        with Wire(self.admin_port) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.admin_port}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = wire.response(method)
            check(answer is not None, f"admin {method} {path}: no answer")
            return answer

    def breaker(self, service):
        items = self.admin("GET", "/api/v1/breakers").json()["items"]
        return next((item for item in items if item["service"] == service), None)

    def metric(self, name, **labels):
        """The sum of the samples of that name that have these labels."""
        total = None
        for line in self.admin("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in ("{", " "):
                if all(f'{key}="{value}"' in line for key, value in labels.items()):
                    total = (total or 0.0) + float(line.rsplit(" ", 1)[1])
        return total

    def rss(self):
        """Resident memory in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024
