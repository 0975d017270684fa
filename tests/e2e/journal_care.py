"""`flotilla journal` on a store with sagas in it: a copy while it takes sagas, going on from the copy, and moving the
store as text. What was acknowledged before a copy began is in it."""
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

import saga_pair
from kit import PATIENCE, PROGRAM, SLOWDOWN, Answer, Backend, Flotilla, ask, case, check, check_equal, main, wait_until

API, ADMIN, SERVICE = 22500, 22501, 22510


def config(store):
    return saga_pair.config(store, API, ADMIN, SERVICE)


def care(*arguments, code=0):
    """What `flotilla journal ...` prints; its errors come with it where one is expected."""
    done = subprocess.run([PROGRAM, "journal", *map(str, arguments)], capture_output=True, text=True, timeout=6 * PATIENCE)
    check_equal(done.returncode, code, f"exit code of journal {arguments[0]} ({done.stderr})")
    return done.stdout if code == 0 else done.stdout + done.stderr


class Submitting:
    """Clients that submit until told to stop. `acknowledged`: key -> id."""

    def __init__(self, clients=4):
        self.acknowledged, self.failed = {}, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]

    def run(self, client):
        number = 0
        while not self.stopping.is_set():
            number += 1
            key = f"c{client}-{number}"
            try:
                answer = submit(key)
                self.acknowledged[key] = answer
            except Exception as error:  # told by check()
                self.failed.append(f"{key}: {error}")
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def submit(key):
    answer = ask(API, "POST", "/v1/sagas/pair", [("Idempotency-Key", f'"{key}"'), ("Content-Type", "application/json")],
                 json.dumps({"order": key, "padding": "x" * 2000}).encode())
    check(answer.status in (200, 202), f"submitting {key}: {answer.status} {answer.body!r}")
    return answer.json()["id"]


def check_complete(ids):
    def ended():
        states = [ask(API, "GET", f"/v1/sagas/{id_}").json().get("state") for id_ in ids]
        return all(state == "completed" for state in states)
    wait_until(ended, f"{len(ids)} sagas are completed", 6 * PATIENCE)


@case
def a_copy_under_load_is_a_store(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-care-") as folder:
        store, copy = pathlib.Path(folder) / "sagas.db", pathlib.Path(folder) / "copy.db"
        service.behave = lambda request: Answer(200, {}, delay=0.02 * SLOWDOWN)
        with Flotilla(config(store), ADMIN) as flotilla:
            with Submitting() as load:
                wait_until(lambda: len(load.acknowledged) > 50 or load.failed, "sagas are submitted")
                before = dict(load.acknowledged)
                said = care("backup", copy, "--file", flotilla.file)
                check(f"{copy} is a copy of {store}" in said, f"what backup says: {said}")
                during = len(load.acknowledged)
                wait_until(lambda: len(load.acknowledged) > during or load.failed, "it goes on meanwhile")
                check("is whole" in care("verify", "--store", store), "the store in use is whole")
            check_equal(load.failed, [], "refused submits")
            check("exists already" in care("backup", copy, "--store", store, code=1), "a second copy overwrites nothing")
        check_equal(copy.stat().st_mode & 0o777, 0o600, "who may read the copy")
        check("is whole" in care("verify", "--store", copy), "the copy is whole")
        # Going on from the copy: what was acknowledged before it is there and ends; keys still find their sagas.
        with Flotilla(config(copy), ADMIN):
            check_complete(list(before.values()))
            for key in list(before)[:5]:
                check_equal(submit(key), before[key], f"the saga of {key}")
            check_complete([submit("new")])
        keys = {}
        for request in service.requests:
            keys.setdefault(request.get("Idempotency-Key"), set()).add((request.method, request.target, request.body))
        check(all(len(requests) == 1 for requests in keys.values()), "a key has one request, before and after")
        return f"{len(before)} before the copy, {len(load.acknowledged)} in all"


@case
def a_store_moves_as_text(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-care-") as folder:
        folder = pathlib.Path(folder)
        store, lines, made = folder / "sagas.db", folder / "lines.json", folder / "new" / "made.db"
        # Nothing has ended when it is exported.
        service.behave = lambda request: Answer(503, {})
        with Flotilla(config(store), ADMIN) as flotilla:
            ids = {f"m{n}": submit(f"m{n}") for n in range(20)}
            care("export", lines, "--file", flotilla.file)
            flotilla.kill()
            flotilla.spawn()
            flotilla.await_ready()
        records = [json.loads(line) for line in lines.read_text().splitlines()]
        check_equal(records[-1], {"end": {"lines": len(records) - 1}}, "the last line")
        care("import", lines, "--store", made)
        check("is whole" in care("verify", "--store", made), "the new store is whole")
        service.behave = lambda request: Answer(200, {})
        with Flotilla(config(made), ADMIN):
            check_complete(list(ids.values()))
            check_equal(submit("m0"), ids["m0"], "the saga of m0")
        check("exists already" in care("import", lines, "--store", made, code=1), "a store is not overwritten")


@case
def damage_is_found(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-care-") as folder:
        store = pathlib.Path(folder) / "sagas.db"
        service.behave = lambda request: Answer(200, {})
        with Flotilla(config(store), ADMIN):
            check_complete([submit(f"d{n}") for n in range(20)])
        content = store.read_bytes()
        middle = content.rindex(b'"order":"d7"')  # within a record
        store.write_bytes(content[:middle] + b"?" * 4096 + content[middle + 4096:])
        return care("verify", "--store", store, code=1).splitlines()[0]


if __name__ == "__main__":
    with Backend(SERVICE) as backend:
        sys.exit(main(backend))
