"""Where the journal of a test lies: in the program's folder, or, with `--postgres`, in a PostgreSQL of the test's own."""
import contextlib
import sys

from server_of_postgres import Postgres

POSTGRES = "--postgres" in sys.argv
if POSTGRES:
    sys.argv.remove("--postgres")  # checks.main() takes the rest for names of cases


@contextlib.contextmanager
def journal_store():
    """What `stores: { journal: ... }` says. Ends the script where there is no PostgreSQL and it is asked for."""
    if not POSTGRES:
        yield "sqlite:data/flotilla.db"
        return
    with Postgres(durable=True) as database:
        yield database.url
