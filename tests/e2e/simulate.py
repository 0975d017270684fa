"""`flotilla simulate` with the built program: exit codes, the replay of a seed, the report as JSON, an end in time."""
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

from checks import PROGRAM, case, check, check_equal, main

SOUND = """sagas:
  order:
    deadline: 10m
    steps:
      - reserve:
          action: POST orders/reservations
          body: "{order: .input.order}"
          undo: DELETE orders/reservations/{.input.order}
          undo_404_ok: true
          barrier: true
      - ship: { kind: pivot, action: POST shipping/shipments, body: "{order: .input.order}", idempotent: key }
      - tell: { kind: retriable, action: "PUT mail/letters/{.steps.ship.id}" }
"""
LOOSE = SOUND.replace("          barrier: true\n", "")


def simulate(*arguments):
    return subprocess.run([PROGRAM, "simulate", *arguments], capture_output=True, text=True, timeout=120, check=False)


def file_with(folder, text):
    path = pathlib.Path(folder) / "flotilla.yaml"
    path.write_text(text)
    return str(path)


@case
def a_sound_definition_ends_with_0(folder):
    said = simulate(file_with(folder, SOUND), "--seeds", "300")
    check_equal(said.returncode, 0, f"the exit code of\n{said.stdout}{said.stderr}")
    check("order: seeds 1 to 300" in said.stdout, f"the head of the report: {said.stdout}")
    check("FINDING" not in said.stdout and "VIOLATION" not in said.stdout, f"nothing found: {said.stdout}")


@case
def what_a_definition_allows_ends_with_1_and_can_be_replayed(folder):
    path = file_with(folder, LOOSE)
    said = simulate(path, "--saga", "order", "--seeds", "100", "--json")
    check_equal(said.returncode, 1, f"the exit code of\n{said.stdout}{said.stderr}")
    report = json.loads(said.stdout)
    check_equal(report["violations"], [], "violations")
    twice = next(found for found in report["findings"] if found["kind"] == "twice")
    check_equal(twice["step"], "reserve", "the step")
    again = simulate(*shlex.split(twice["replay"])[2:])
    check(again.stdout.count("sends action of reserve") > 1, f"the trace: {again.stdout[:2000]}")
    check("FINDING twice" in again.stdout, "the seed alone shows it too")
    accepted = simulate(path, "--seeds", "100", "--accept", "twice:reserve", "--accept", "not-undone")
    check_equal(accepted.returncode, 0, f"the exit code when accepted: {accepted.stdout}")


@case
def wrong_usage_ends_with_2_and_a_bad_file_with_1(folder):
    check_equal(simulate().returncode, 2, "without a file")
    check_equal(simulate(file_with(folder, SOUND), "--seeds", "0").returncode, 2, "no seeds")
    said = simulate(file_with(folder, SOUND.replace("barrier: true", "barier: true")))
    check_equal(said.returncode, 1, "the exit code")
    check("flotilla.yaml:10:11" in said.stderr, f"the place: {said.stderr}")


@case
def it_ends_in_time_and_says_how_far_it_came(folder):
    said = simulate(file_with(folder, SOUND), "--seeds", "1000000", "--events", "20000", "--within", "1")
    check_equal(said.returncode, 0, f"the exit code: {said.stderr}")
    check("stopped after 1 s" in said.stderr, f"it says so: {said.stderr}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="flotilla-e2e-") as temporary:
        sys.exit(main(temporary))
