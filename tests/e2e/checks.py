"""How an end-to-end script says what it expects: cases, checks, waiting for a condition. Nothing sleeps for luck."""
import os
import pathlib
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FLOTILLA", str(ROOT / "build" / "flotilla"))
# Set by CTest for a program built with a sanitizer: it is slower, and its memory is not its own measure.
SANITIZED = os.environ.get("FLOTILLA_SANITIZED", "") != ""
SLOWDOWN = 5 if SANITIZED else 1  # what a bound in seconds is multiplied with
PATIENCE = 10.0 * SLOWDOWN  # seconds until something that should happen soon counts as not happening


class Failed(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failed(message)


def check_equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def wait_until(condition, what, timeout=PATIENCE):
    """Polls until condition() is true, and gives that value back."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(0.005)


_cases = []


def case(function):
    _cases.append(function)
    return function


def main(*fixtures):
    """Runs the cases (those named on the command line, else all) with what the fixtures give them."""
    failed = []
    chosen = [function for function in _cases if not sys.argv[1:] or function.__name__ in sys.argv[1:]]
    for function in chosen:
        begun = time.monotonic()
        try:
            said = function(*fixtures)
            print(f"ok      {function.__name__} ({time.monotonic() - begun:.1f} s){': ' + said if said else ''}", flush=True)
        except Exception as error:  # a case that breaks must not hide the others
            failed.append(function.__name__)
            print(f"FAILED  {function.__name__}: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
    print(f"{len(chosen) - len(failed)} ok, {len(failed)} failed")
    return 1 if failed or not chosen else 0


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
