"""`flotilla outbox` over a real PostgreSQL: what a service commits is published once, in order, and nothing else is."""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

from kit import PROGRAM, SLOWDOWN, Failed, Flotilla, ask, case, check, check_equal, main, wait_until
from server_of_postgres import Postgres
from sql import Session

ADMIN, API = 22820, 22821

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example], token: s3same }}
workers: 2
topics:
  orders: {{ key: .order }}
  checked: {{ schema: {{ type: object, required: [order] }} }}
  mixed: {{}}
  times: {{}}
  late: {{}}
  kept: {{}}
  handed: {{}}
%s
"""


class Relay:
    """The process."""

    def __init__(self, url, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-outbox-")
        folder = pathlib.Path(self.folder.name)
        (folder / "token").write_text("s3same\n")
        self.output = folder / "output.txt"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "outbox", "--database", url, "--api", f"http://127.0.0.1:{API}", "--token-file",
                 str(folder / "token"), "--status", "100ms", *options], stdout=output, stderr=output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def said(self):
        return self.output.read_text(errors="replace")

    def await_word(self, word):
        def heard():
            check(self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}")
            return word in self.said()
        try:
            wait_until(heard, f"the relay says '{word}'")
        except Failed as failed:
            raise Failed(f"{failed}; it said {self.said()[-1500:]}") from None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20 * SLOWDOWN)


def read(topic):
    answer = ask(API, "GET", f"/v1/topics/{topic}?from=0&limit=1000", [("Authorization", "Bearer s3same")])
    check_equal(answer.status, 200, f"reading {topic}: {answer.body}")
    return answer.json()["events"]


def read_all(topic):
    events, after = [], "0"
    while True:
        answer = ask(API, "GET", f"/v1/topics/{topic}?from={after}&limit=1000", [("Authorization", "Bearer s3same")])
        check_equal(answer.status, 200, f"reading {topic}: {answer.body}")
        page = answer.json()
        events += page["events"]
        after = page["next"]
        if not page["events"]:
            return events


def await_events(topic, count):
    wait_until(lambda: len(read(topic)) >= count, f"{count} events are in {topic}")
    return read(topic)


def insert(session, topic, data, key=None, table="outbox", **columns):
    names, values = ["topic", "key", "data"], [topic, key, json.dumps(data)]
    for name, value in columns.items():
        names.append(name)
        values.append(value)
    quoted = ", ".join("NULL" if value is None else "'" + value.replace("'", "''") + "'" for value in values)
    session.run(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({quoted})")


@case
def what_is_committed_is_published_and_nothing_else(_, url):
    with Relay(url, "--create") as relay, Session(url) as session:
        relay.await_word("published 0")
        session.run("BEGIN")
        insert(session, "orders", {"order": 1, "total": 9.90}, key="1", id="e-1", type="order.created",
               headers='{"correlationid": "c-7", "subject": "order 1"}')
        insert(session, "orders", {"order": 1, "paid": True}, key="1", id="e-2")
        session.run("COMMIT")
        session.run("BEGIN")
        insert(session, "orders", {"order": 2}, key="2", id="gone")
        session.run("ROLLBACK")
        insert(session, "orders", {"order": 3}, id="e-3")
        events = await_events("orders", 3)
        check_equal([event["id"] for event in events], ["e-1", "e-2", "e-3"], "the events")
        first = events[0]
        for name, wanted in {"source": "/outbox/postgres/public.outbox", "type": "order.created", "partitionkey": "1",
                             "correlationid": "c-7", "subject": "order 1", "data": {"order": 1, "total": 9.90}}.items():
            check_equal(first[name], wanted, name)
        check(first["time"].endswith("Z"), "it has the time of the insert")
        check_equal(events[1]["type"], "orders", "a row without a type")
        wait_until(lambda: session.value("SELECT count(*) FROM outbox") == "0", "the table is empty")
        check_equal(relay.end(), 0, "its exit code")
        return f"waits for NOTIFY: {session.value('SELECT count(*) FROM pg_trigger WHERE tgname = $$flotilla_outbox$$')} trigger"


@case
def a_late_committer_is_not_passed_over(_, url):
    with Relay(url, "--create") as relay, Session(url) as slow, Session(url) as quick:
        relay.await_word("published 0")
        slow.run("BEGIN")
        insert(slow, "late", {"n": 1}, key="a", id="late-1")
        insert(quick, "late", {"n": 2}, key="a", id="late-2")
        relay.await_word("holds rows back")  # and says who
        check(slow.value("SELECT pg_backend_pid()") in relay.said(), "the process of the open transaction is named")
        check_equal(read("late"), [], "what came behind it, so far")
        slow.run("COMMIT")
        check_equal([event["id"] for event in await_events("late", 2)], ["late-1", "late-2"], "the events")


@case
def a_refused_row_holds_its_key_alone(_, url):
    with Relay(url, "--create") as relay, Session(url) as session:
        relay.await_word("published 0")
        session.run("BEGIN")
        for number, (key, data) in enumerate([("a", {"order": 1}), ("b", {"wrong": 1}), ("b", {"order": 2}), ("c", {"order": 3}),
                                              (None, {"wrong": 2}), (None, {"order": 4})]):
            insert(session, "checked", data, key=key, id=f"checked-{number}")
        session.run("COMMIT")
        check_equal([event["id"] for event in await_events("checked", 3)], ["checked-0", "checked-3", "checked-5"], "at first")
        relay.await_word("checked-1 of topic checked is refused")
        check_equal(session.run("SELECT id FROM outbox ORDER BY position"),
                    [["checked-1"], ["checked-2"], ["checked-4"]], "what stays")
        session.run("UPDATE outbox SET data = '{\"order\": 9}' WHERE id = 'checked-1'")
        session.run("DELETE FROM outbox WHERE id = 'checked-4'")
        check_equal([event["id"] for event in await_events("checked", 5)][3:], ["checked-1", "checked-2"], "in the end")


@case
def rows_of_every_time_are_published(_, url):
    with Relay(url, "--create") as relay, Session(url) as session:
        relay.await_word("published 0")
        for name, when in {"time-1": "infinity", "time-2": "-infinity", "time-3": "20000-01-01", "time-4": "0044-03-15 BC"}.items():
            insert(session, "times", {"n": 1}, id=name, created_at=when)
        check_equal(sorted(event["id"] for event in await_events("times", 4)), ["time-1", "time-2", "time-3", "time-4"], "the events")
        relay.await_word("published 4 ")


@case
def a_topic_that_is_not_there_waits_alone(flotilla, url):
    with Relay(url, "--create") as relay, Session(url) as session:
        relay.await_word("published 0")
        insert(session, "to-come", {"n": 1}, id="to-come-1")
        insert(session, "mixed", {"n": 2}, id="mixed-1")
        check_equal([event["id"] for event in await_events("mixed", 1)], ["mixed-1"], "the other topic")
        relay.await_word("topic to-come waits: 404")
        flotilla.file.write_text(CONFIG % "  to-come: {}\n")
        check_equal(flotilla.admin("POST", "/api/v1/config/reload").status, 200, "the reload")
        check_equal([event["id"] for event in await_events("to-come", 1)], ["to-come-1"], "once it is there")
        relay.await_word("topic to-come goes on")


@case
def rows_can_be_kept(_, url):
    with Relay(url, "--create", "--keep", "--table", "public.kept_outbox") as relay, Session(url) as session:
        relay.await_word("published 0")
        insert(session, "kept", {"n": 1}, table="kept_outbox", id="kept-1")
        await_events("kept", 1)
        wait_until(lambda: session.run("SELECT id FROM kept_outbox WHERE published_at IS NOT NULL") == [["kept-1"]],
                   "the row is marked")


@case
def one_relay_has_a_table_and_the_next_takes_over(_, url):
    with Relay(url, "--create") as first, Session(url) as session:
        first.await_word("published 0")
        with Relay(url) as second:
            second.await_word("standing by")
            insert(session, "handed", {"n": 1}, id="handed-1")
            await_events("handed", 1)
            check("published 1" not in second.said(), "the second has published nothing")
            first.kill()
            insert(session, "handed", {"n": 2}, id="handed-2")
            check_equal([event["id"] for event in await_events("handed", 2)], ["handed-1", "handed-2"], "the events")
            second.await_word("published 1 ")


@case
def the_password_is_nowhere(_, url):
    with Relay(url.replace("flotilla@", "flotilla:gehe1m@"), "--create") as relay:
        relay.await_word("published 0")
        arguments = pathlib.Path(f"/proc/{relay.process.pid}/cmdline").read_bytes()
        check(b"gehe1m" not in arguments, "it is among the arguments")
        check(b"flotilla:******@" in arguments, f"the arguments are {arguments}")
        check("gehe1m" not in relay.said(), "it is in the output")
    with Relay("postgres://flotilla:gehe1m@127.0.0.1:1/none") as relay:
        relay.await_word("cannot connect to postgres://127.0.0.1:1/none")
        check("gehe1m" not in relay.said(), "it is in the output of a failure")


@case
def a_table_that_is_not_there_is_named(_, url):
    with Relay(url, "--table", "nowhere") as relay:
        relay.await_word('the table "public"."nowhere" is not there')
        check_equal(relay.end(), 0, "its exit code")


if __name__ == "__main__":
    with Postgres() as database, Flotilla(CONFIG % "", ADMIN) as program:
        sys.exit(main(program, database.url))
