"""A PostgreSQL of a test's own, that syncs what it commits, and is restarted as after a crash."""
import sys
import tempfile
import time

from checks import ROOT

sys.path.insert(0, str(ROOT / "tests" / "postgres"))
import server  # noqa: E402

RECONNECTED = 6000  # milliseconds after a restart of the database by which the programs commit again


def is_there():
    return server.programs() is not None


class Postgres:
    def __init__(self):
        self.outages = []  # (from, to), in milliseconds of the monotonic clock

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-postgres-")
        server.start(self.folder.name, durable=True)
        self.url = server.read(self.folder.name, "url")
        return self

    def __exit__(self, *_):
        server.stop(self.folder.name)
        self.folder.cleanup()

    def restart(self):
        begun = time.monotonic()
        server.restart(self.folder.name)
        # What was answered a little before may not have been kept either.
        self.outages.append((1000 * begun - 500, 1000 * time.monotonic() + RECONNECTED))
