"""Where the journal of a test lies: in the program's folder, or, with `--postgres`, in a PostgreSQL of the test's own."""
import contextlib
import sys
import tempfile

from checks import ROOT

sys.path.insert(0, str(ROOT / "tests" / "postgres"))
import server  # noqa: E402

SKIPPED = 77
POSTGRES = "--postgres" in sys.argv
if POSTGRES:
    sys.argv.remove("--postgres")  # checks.main() takes the rest for names of cases


@contextlib.contextmanager
def journal_store():
    """What `stores: { journal: ... }` says. Ends the script with SKIPPED where there is no PostgreSQL."""
    if not POSTGRES:
        yield "sqlite:data/flotilla.db"
        return
    with tempfile.TemporaryDirectory(prefix="flotilla-postgres-") as folder:
        server.start(folder, durable=True)
        try:
            url = server.read(folder, "url")
            if not url:
                print("skipped: there is no PostgreSQL")
                sys.exit(SKIPPED)
            yield url
        finally:
            server.stop(folder)
