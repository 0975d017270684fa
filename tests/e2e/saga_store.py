"""The store of sagas when the machine does not play along: full, read-only, a sync that fails, taken by another process,
of another version, or no store at all. Each is said clearly, loses nothing that was acknowledged, and ends when it is put right."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

import saga_pair
from kit import PATIENCE, PROGRAM, SLOWDOWN, Answer, Backend, Failed, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until

API, ADMIN, SERVICE, OTHER_API, OTHER_ADMIN, GATEWAY = 22100, 22101, 22110, 22120, 22121, 22130
DISK = 8 << 20  # bytes of the small file system
PADDING = "x" * 8192


def config(store, api=API, admin=ADMIN):
    return saga_pair.config(store, api, admin, SERVICE)


class Orders:
    """What was submitted, and what the service did: every acknowledged one must complete, each step under one key."""

    def __init__(self, service):
        self.ids = {}    # key -> saga
        self.count = 0
        self.slow = 0.0  # seconds the service takes
        self.service = service
        service.forget()
        service.behave = lambda request: Answer(200, {"did": request.target}, delay=self.slow)

    def submit(self, key=None, wait=""):
        """The answer, and the key it was submitted with."""
        if key is None:
            self.count += 1
            key = f"order-{self.count}"
        body = json.dumps({"order": key, "padding": PADDING}).encode()
        answer = ask(API, "POST", f"/v1/sagas/pair{wait}", [("Idempotency-Key", f'"{key}"'), ("Content-Type", "application/json")], body)
        if answer.status in (200, 202):
            id_ = answer.json()["id"]
            check_equal(self.ids.setdefault(key, id_), id_, f"the saga of {key}, submitted again")
        return answer, key

    def acknowledge(self, count):
        for _ in range(count):
            answer, key = self.submit()
            check(answer.status in (200, 202), f"submitting {key}: {answer.status} {answer.body!r}")

    def states(self):
        states = {}
        for key, id_ in self.ids.items():
            answer = ask(API, "GET", f"/v1/sagas/{id_}")
            check_equal(answer.status, 200, f"saga {id_} of {key}, which was acknowledged")
            states[key] = answer.json()["state"]
        return states

    def check_all_complete(self):
        wait_until(lambda: set(self.states().values()) == {"completed"}, "every acknowledged saga is completed", 3 * PATIENCE)
        requests = {}
        for request in self.service.requests:
            check_equal(request.method, "POST", f"{request.target}: nothing is refused, so nothing may be undone")
            key = request.get("Idempotency-Key")
            same = requests.setdefault((request.target, json.loads(request.body)["order"]), (key, request.body))
            check_equal((key, request.body), same, f"what {request.target} of one saga was sent with")
        for key in self.ids:
            for step in ("/first", "/second"):
                check((step, key) in requests, f"{step} of {key} is done, and was never sent")


@contextlib.contextmanager
def small_disk():
    """A file system of its own; only root can have one."""
    with tempfile.TemporaryDirectory(prefix="flotilla-disk-") as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "flotilla-test", folder], capture_output=True, text=True)
        if done.returncode != 0:
            yield None
            return
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def skip_for_want_of_a_disk():
    return "SKIPPED: only root may mount a small disk here"


def fill(folder):
    """Leaves no byte free there; the file that takes the place."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return ballast


def submit_until_refused(orders, most=500):
    """Room may be left in pages that are allotted: the first answer that is no acknowledgement, and its key."""
    for _ in range(most):
        answer, key = orders.submit()
        if answer.status not in (200, 202):
            return answer, key
    raise Failed(f"{most} sagas were acknowledged by a store that cannot grow")


def accepts(orders, key):
    return lambda: orders.submit(key)[0].status in (200, 202)


@case
def a_full_disk_refuses_and_recovers_by_itself(service):
    with small_disk() as disk:
        if disk is None:
            return skip_for_want_of_a_disk()
        with Flotilla(config(disk / "sagas.db"), ADMIN) as flotilla:
            orders = Orders(service)
            orders.acknowledge(20)
            orders.slow = 0.3 * SLOWDOWN  # so that some are under way when it happens
            orders.acknowledge(5)
            ballast = fill(disk)
            answer, key = submit_until_refused(orders)
            problem = check_problem(answer, 503, "store-unavailable")
            check("full" in problem["detail"], f"the detail does not say that the disk is full: {problem['detail']}")
            check_problem(orders.submit(key)[0], 503, "store-unavailable")
            orders.states()  # can be read
            ballast.unlink()
            wait_until(accepts(orders, key), "the store takes sagas again")
            orders.slow = 0.0
            orders.check_all_complete()
            check(flotilla.process.poll() is None, "the program ended")
            return f"{len(orders.ids)} sagas"


@case
def killed_on_a_full_disk(service):
    with small_disk() as disk:
        if disk is None:
            return skip_for_want_of_a_disk()
        with Flotilla(config(disk / "sagas.db"), ADMIN) as flotilla:
            orders = Orders(service)
            orders.slow = 0.3 * SLOWDOWN
            orders.acknowledge(10)
            ballast = fill(disk)
            submit_until_refused(orders)
            flotilla.kill()
            ballast.unlink()
            flotilla.spawn()
            flotilla.await_ready()
            orders.slow = 0.0
            orders.check_all_complete()


@case
def a_limit_on_file_sizes(service):
    """Not a full disk but a write that fails, as of a quota, whoever runs this."""
    with Flotilla(config("data/sagas.db"), ADMIN) as flotilla:
        flotilla.kill()
        flotilla.spawn(preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        flotilla.await_ready()
        orders = Orders(service)
        orders.acknowledge(10)
        orders.slow = 0.3 * SLOWDOWN
        orders.acknowledge(5)
        _, hard = resource.prlimit(flotilla.process.pid, resource.RLIMIT_FSIZE)
        folder = pathlib.Path(flotilla.folder.name) / "data"
        size = max(file.stat().st_size for file in folder.iterdir())
        resource.prlimit(flotilla.process.pid, resource.RLIMIT_FSIZE, (size, hard))
        answer, key = submit_until_refused(orders)
        check_problem(answer, 503, "store-unavailable")
        orders.states()
        flotilla.kill()  # and with it the limit
        flotilla.spawn()
        flotilla.await_ready()
        orders.slow = 0.0
        wait_until(accepts(orders, key), "the store takes sagas again")
        orders.check_all_complete()


@contextlib.contextmanager
def failing_sync():
    """The environment under which syncs fail while `broken` exists."""
    with tempfile.TemporaryDirectory(prefix="flotilla-sync-") as folder:
        library, broken = pathlib.Path(folder) / "failing_sync.so", pathlib.Path(folder) / "broken"
        compiler = next(filter(None, map(shutil.which, ("clang-19", "clang", "cc"))))
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, pathlib.Path(__file__).with_name("failing_sync.c")], check=True)
        yield {"LD_PRELOAD": str(library), "FAILING_SYNC": str(broken)}, broken


@case
def a_failed_sync_ends_the_process(service):
    """Not even what the kernel says afterwards can be trusted: it refuses, says so, and ends; the next one begins anew."""
    with failing_sync() as (environment, broken), Flotilla(config("data/sagas.db"), ADMIN, environment) as flotilla:
        orders = Orders(service)
        orders.acknowledge(20)
        orders.slow = 0.3 * SLOWDOWN  # so that some are under way when it happens
        orders.acknowledge(5)
        broken.touch()
        answer, key = submit_until_refused(orders)
        check_problem(answer, 503, "store-unavailable")
        broken.unlink()  # that syncs succeed again makes it no better
        check_problem(orders.submit(key)[0], 503, "store-unavailable")
        ready = flotilla.admin("GET", "/readyz")
        check_equal(ready.status, 503, "readyz")
        check(b"the journal has failed" in ready.body, f"readyz does not say why: {ready.body}")
        check_equal(flotilla.metric("flotilla_journal_health"), 2, "the metric")
        orders.states()  # can be read
        check_equal(flotilla.process.wait(PATIENCE), 74, "exit code")
        check("the journal has failed" in flotilla.said() and "this process ends" in flotilla.said(), f"what the log says: {flotilla.said()}")
        # While it is broken nothing starts, so nothing is promised.
        broken.touch()
        flotilla.spawn()
        check_equal(flotilla.process.wait(PATIENCE), 1, "exit code on a broken disk")
        broken.unlink()
        flotilla.spawn()
        flotilla.await_ready()
        orders.slow = 0.0
        wait_until(accepts(orders, key), "the store takes sagas again")
        orders.check_all_complete()
        return f"{len(orders.ids)} sagas"


@case
def a_failed_sync_lets_requests_in_flight_end(service):
    """What needs no store is answered to its end."""
    with_gateway = config("data/sagas.db") + f"""gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - GET /slow: service
      - POST /pairs: {{ saga: pair, wait: 30s }}
"""
    with failing_sync() as (environment, broken), Flotilla(with_gateway, ADMIN, environment) as flotilla:
        Orders(service).acknowledge(1)
        service.behave = lambda request: Answer(200, {}, delay=2.0 if request.target == "/slow" else 0.0)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            slow = pool.submit(ask, GATEWAY, "GET", "/slow")
            wait_until(lambda: any(request.target == "/slow" for request in service.requests), "it is on its way")
            broken.touch()
            check_problem(ask(GATEWAY, "POST", "/pairs", [("Content-Type", "application/json")], b'{"order": "g"}'), 503, "store-unavailable")
            check_equal(slow.result().status, 200, "the answer to the request that was in flight")
        check_equal(flotilla.process.wait(PATIENCE), 74, "exit code")
        broken.unlink()
        flotilla.spawn()
        flotilla.await_ready()


# --- stores that cannot be opened ----------------------------------------------------------------------

def refuses_to_start(store, *words, api=API, admin=ADMIN):
    """The program ends with 1 and a sentence with these words."""
    with tempfile.TemporaryDirectory(prefix="flotilla-e2e-") as folder:
        file = pathlib.Path(folder) / "flotilla.yaml"
        file.write_text(config(store, api, admin))
        done = subprocess.run([PROGRAM, "up", str(file)], capture_output=True, text=True, timeout=PATIENCE)
    check_equal(done.returncode, 1, f"exit code ({done.stderr})")
    for word in (str(store), *words):
        check(word in done.stderr, f"the message does not say {word!r}: {done.stderr}")
    return done.stderr.strip().splitlines()[-1]


class Kept:
    """A store with sagas in it, and no process."""

    def __init__(self, folder, service):
        self.store = pathlib.Path(folder) / "sagas.db"
        self.orders = Orders(service)
        with Flotilla(config(self.store), ADMIN):
            self.orders.acknowledge(10)
            self.orders.check_all_complete()

    def check_usable(self):
        """It opens, everything is there, and it takes more."""
        with Flotilla(config(self.store), ADMIN):
            self.orders.acknowledge(1)
            self.orders.check_all_complete()


@contextlib.contextmanager
def kept(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-store-") as folder:
        yield Kept(folder, service)


@case
def a_read_only_store(service):
    if os.geteuid() != 0:  # who is root can write everywhere but on a read-only file system
        with kept(service) as store:
            folder = store.store.parent
            folder.chmod(0o500)
            said = refuses_to_start(store.store)
            folder.chmod(0o700)
            store.check_usable()
            return said
    with small_disk() as disk:
        if disk is None:
            return skip_for_want_of_a_disk()
        store = Kept(disk, service)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        said = refuses_to_start(store.store, "ead-only")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        store.check_usable()
        return said


@case
def a_second_process(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-store-") as folder:
        store = pathlib.Path(folder) / "sagas.db"
        orders = Orders(service)
        with Flotilla(config(store), ADMIN) as flotilla:
            orders.acknowledge(5)
            said = refuses_to_start(store, "another process", str(flotilla.process.pid), api=OTHER_API, admin=OTHER_ADMIN)
            orders.acknowledge(5)
            flotilla.kill()  # its lock ends with it
            flotilla.spawn()
            flotilla.await_ready()
            orders.check_all_complete()
        return said


@case
def a_store_of_a_newer_version(service):
    with kept(service) as store:
        with contextlib.closing(sqlite3.connect(store.store)) as database:
            version, = database.execute("PRAGMA user_version").fetchone()
            database.execute(f"PRAGMA user_version = {version + 1}")
        said = refuses_to_start(store.store, f"schema {version + 1}", "newer")
        with contextlib.closing(sqlite3.connect(store.store)) as database:
            check_equal(database.execute("PRAGMA user_version").fetchone(), (version + 1,), "the version, which nobody may change")
            database.execute(f"PRAGMA user_version = {version}")
        store.check_usable()
        return said


@case
def a_file_that_is_no_store(service):
    with tempfile.TemporaryDirectory(prefix="flotilla-store-") as folder:
        store = pathlib.Path(folder) / "notes.txt"
        store.write_text("no database\n" * 100)
        refuses_to_start(store)
        check_equal(store.read_text(), "no database\n" * 100, "the file, which nobody may change")
        store = pathlib.Path(folder) / "other.db"
        with contextlib.closing(sqlite3.connect(store)) as database:
            database.execute("CREATE TABLE notes (text)")
        return refuses_to_start(store, "no journal")


if __name__ == "__main__":
    with Backend(SERVICE) as backend:
        sys.exit(main(backend))
