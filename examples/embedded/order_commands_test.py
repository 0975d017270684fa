"""The example as a person runs it, and killed with SIGKILL at random moments: ORDER_COMMANDS is the program."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile

PROGRAM = os.environ["ORDER_COMMANDS"]


def run(*args):
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.splitlines()


def check_equal(got, wanted, what):
    if got != wanted:
        sys.exit(f"FAILED  {what}: {got!r}, not {wanted!r}")


def killed_after(lines, *args):
    """What it had said when it was killed, that many lines in."""
    said = []
    with subprocess.Popen([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if len(said) == lines:
                process.kill()
    return said


def main():
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "orders.db"
        check_equal(run(file, "pay", "o-1", 5), (1, ["refused unknown-order: there is no such order"]), "too early")
        check_equal(run(file, "create", "o-1", "ann", 30), (0, ["o-1 1 order.created"]), "an order")
        check_equal(run(file, "create", "o-1", "eve", 30), (1, ["refused exists: the order exists"]), "the same again")
        check_equal(run(file, "pay", "o-1", 20), (0, ["o-1 2 order.paid"]), "a payment")
        check_equal(run(file, "pay", "o-1", 20), (1, ["refused too-much: 10 is owed"]), "one too many")
        for number in range(6):
            said = killed_after(1 + rng.randrange(30), file, "many", f"r{number}", 20)
            code, again = run(file, "many", f"r{number}", 20)
            check_equal(code, 0, f"round {number}")
            check_equal(again[:len(said)], said, "what was answered before the kill is the answer still")
            wanted = [f"r{number}-{i} {version} {kind}" for i in range(20)
                      for version, kind in ((1, "order.created"), (2, "order.paid"))]
            check_equal(again, wanted, "each order is created and paid once")
    print("ok")


if __name__ == "__main__":
    main()
