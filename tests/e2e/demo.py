"""The demo, as a person meets it: its tour ends well, and whatever ends the demo ends all that it started."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from kit import PROGRAM, SLOWDOWN, ask, case, check, check_equal, main, wait_until

FIRST = 21700  # and twelve more
REDIS = 1 if shutil.which("redis-server") else 0
PROGRAMS = 8 + REDIS  # the platform and the seven services, and a Redis where there is one
STEPS = 17 + REDIS


class Demo:
    """`flotilla demo` on ports of its own, with its folder of temporary files in one of ours."""

    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-e2e-")
        self.output = pathlib.Path(self.folder.name) / "output.txt"
        with self.output.open("wb") as output:
            # What a sanitizer finds in a program that the demo starts must not go with the demo's folder.
            findings = {f"{name}SAN_OPTIONS": f"log_path={self.folder.name}/finding" for name in ("A", "T", "UB")}
            self.process = subprocess.Popen([PROGRAM, "demo", "--ports-from", str(FIRST), *arguments], stdout=output,
                                            stderr=output, env={**os.environ, **findings, "TMPDIR": self.folder.name})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        findings = [file.read_text(errors="replace") for file in pathlib.Path(self.folder.name).glob("finding*")]
        self.folder.cleanup()
        check(not findings, "\n".join(findings))

    def said(self):
        return self.output.read_text(errors="replace")

    def wait_for(self, text, timeout=30):
        def said():
            check(self.process.poll() is None or text in self.said(), f"the demo has ended:\n{self.said()}")
            return text in self.said()
        wait_until(said, f"the demo says {text!r}", timeout * SLOWDOWN)

    def ends_with(self, code, timeout):
        try:
            self.process.wait(timeout * SLOWDOWN)
        except subprocess.TimeoutExpired:
            check(False, f"the demo did not end within {timeout * SLOWDOWN} s:\n{self.said()}")
        check_equal(self.process.returncode, code, f"the exit code (it said: {self.said()})")

    def running(self):
        """The processes that have our folder in their command line: all that the demo started."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.folder.name.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass  # it has ended meanwhile
        return found

    def kept(self):
        """The demo's own folders that are still there."""
        return list(pathlib.Path(self.folder.name).glob("flotilla-demo-*"))


@case
def the_tour_ends_well_and_leaves_nothing():
    with Demo("--tour") as demo:
        demo.ends_with(0, timeout=60)
        lines = [line.strip() for line in demo.said().splitlines()]
        check_equal(len([line for line in lines if line.startswith("ok ")]), STEPS, "steps that went well")
        check_equal(lines[-1], "every step showed what it should", "the last line")
        check_equal((demo.running(), demo.kept()), ([], []), "processes and folders")
        return f"{STEPS} steps"


@case
def a_step_that_fails_fails_the_tour():
    """Somebody orders the user service to fail while the tour goes on."""
    with Demo("--tour") as demo:
        demo.wait_for("payment hangs")
        check_equal(ask(FIRST + 5, "POST", "/_control", body=b'{"fail_rate": 1}').status, 200, "the order")
        demo.ends_with(1, timeout=60)
        check("FAILED ten reloads under traffic" in demo.said(), demo.said())
        check_equal((demo.running(), len(demo.kept())), ([], 1), "processes and folders")


def end_by(demo, number, code):
    demo.process.send_signal(number)
    demo.ends_with(code, timeout=5)
    check_equal(demo.running(), [], "processes that survived")


@case
def it_stops_while_starting():
    with Demo() as demo:
        wait_until(lambda: len(demo.running()) >= 2, "the first programs run")
        end_by(demo, signal.SIGTERM, 1)


@case
def it_stops_while_playing_the_tour():
    with Demo("--tour") as demo:
        demo.wait_for("the mobile gateway's shape of it")  # so it is about to ask a service that hangs
        end_by(demo, signal.SIGINT, 1)


@case
def it_stops_while_serving():
    with Demo() as demo:
        demo.wait_for("Ctrl-C ends everything")
        check_equal(len(demo.running()), PROGRAMS, "programs")
        check_equal(ask(FIRST, "GET", "/users/123").json()["name"], "Alice", "the user")
        end_by(demo, signal.SIGINT, 0)
        check_equal(demo.kept(), [], "folders")


@case
def nothing_survives_the_kill_of_the_demo():
    with Demo() as demo:
        demo.wait_for("Ctrl-C ends everything")
        demo.process.kill()
        demo.ends_with(-signal.SIGKILL, timeout=5)
        wait_until(lambda: not demo.running(), "every child is gone")


@case
def a_second_one_says_whose_port_is_taken():
    with Demo() as first:
        first.wait_for("Ctrl-C ends everything")
        with Demo() as second:
            second.ends_with(1, timeout=10)
            check(f"another flotilla process listens on 127.0.0.1:{FIRST}" in second.said(), second.said())
            check_equal(second.kept(), [], "folders")
            check_equal(second.running(), [], "processes that survived")
        check_equal(ask(FIRST, "GET", "/users/123").status, 200, "the first one goes on")


if __name__ == "__main__":
    sys.exit(main())
