"""A PostgreSQL of a test's own, that is restarted as after a crash."""
import sys
import tempfile
import time

from checks import ROOT

sys.path.insert(0, str(ROOT / "tests" / "postgres"))
import server  # noqa: E402

SKIPPED = 77
RECONNECTED = 6000  # milliseconds after a restart of the database by which the programs commit again


class Postgres:
    """`durable`: it syncs what it commits. Ends the script with SKIPPED where there is no PostgreSQL."""

    def __init__(self, durable=False):
        self.durable = durable
        self.outages = []  # (from, to), in milliseconds of the monotonic clock

    def __enter__(self):
        if server.programs() is None:
            print("SKIPPED: no PostgreSQL is installed (Debian: apt-get install postgresql)")
            sys.exit(SKIPPED)
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-postgres-")
        server.start(self.folder.name, durable=self.durable)
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
