"""Topics in the running program: publishing, reading, schemas, keys, streams, sagas' events, a reload."""
import json
import sqlite3
import sys

from kit import (Answer, Backend, Flotilla, Wire, ask, case, check, check_equal, check_problem, main, wait_until)
from stores import POSTGRES, journal_store

ADMIN, API, SERVICE = 22600, 22601, 22610

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "%s" }}
services:
  shop: {{ url: "http://127.0.0.1:{SERVICE}" }}
topics:
  order.created:
    key: .order_id
    schema: {{ type: object, required: [order_id], properties: {{ total: {{ type: number }} }} }}
    retain: 7d
  notes: {{}}
sagas:
  place-order:
    publish:
      accepted: {{ topic: order.placed, data: .input }}
      done.charge: {{ topic: order.paid, data: "{{order: .input.order_id}}" }}
    steps:
      - charge: {{ action: POST shop/charges, body: "{{order: .input.order_id}}", undo: POST shop/refunds }}
"""


def publish(topic, body, fields=()):
    return ask(API, "POST", f"/v1/topics/{topic}", [("Content-Type", "application/json"), *fields], json.dumps(body).encode())


def publish_batch(topic, events):
    return ask(API, "POST", f"/v1/topics/{topic}", [("Content-Type", "application/cloudevents-batch+json")],
               json.dumps(events).encode())


def read(topic, query="from=0"):
    answer = ask(API, "GET", f"/v1/topics/{topic}?{query}")
    check_equal(answer.status, 200, f"reading {topic}: {answer.body}")
    return answer.json()


def latest(topic):
    return read(topic, "from=latest")["next"]


@case
def an_event_is_published_and_read(_, __):
    answer = publish("order.created", {"order_id": 17, "total": 9.90}, [("ce-id", "e1"), ("ce-source", "/orders"),
                                                                        ("Correlation-Id", "c-1")])
    check_equal(answer.status, 202, f"status: {answer.body}")
    said = answer.json()
    check_equal(answer.get("Position"), said["position"], "the header")
    check_equal(said["events"], [{"id": "e1", "position": said["position"], "duplicate": False}], "the events")
    events = read("order.created")["events"]
    check_equal(len(events), 1, "events")
    event = events[0]
    check_equal({name: event[name] for name in ("specversion", "id", "source", "type", "partitionkey", "correlationid",
                                                "causationid", "data")},
                {"specversion": "1.0", "id": "e1", "source": "/orders", "type": "order.created", "partitionkey": "17",
                 "correlationid": "c-1", "causationid": "e1", "data": {"order_id": 17, "total": 9.9}}, "the event")
    check(event["time"] and event["recordedtime"], f"its times: {event}")


@case
def a_source_and_id_are_kept_once(_, __):
    begun = latest("notes")
    fields = [("ce-id", "once"), ("ce-source", "/s")]
    answers = [publish("notes", {"n": n}, fields).json()["events"][0]["duplicate"] for n in range(3)]
    check_equal(answers, [False, True, True], "duplicates")
    check_equal([event["data"]["n"] for event in read("notes", f"from={begun}")["events"]], [0], "what is kept")


@case
def a_batch_is_kept_whole_or_not_at_all(flotilla, _):
    begun = latest("order.created")
    good = [{"id": f"b{n}", "source": "/b", "data": {"order_id": n}} for n in range(3)]
    problem = check_problem(publish_batch("order.created", [*good, {"id": "bad", "data": {"order_id": 1, "total": "x"}}]),
                            422, "invalid")
    check("event 3" in problem["detail"] and "/total" in problem["detail"], f"where: {problem['detail']}")
    check_equal(read("order.created", f"from={begun}")["events"], [], "what is kept of a refused batch")
    check_equal(publish_batch("order.created", good).status, 202, "status")
    check_equal([event["id"] for event in read("order.created", f"from={begun}")["events"]], ["b0", "b1", "b2"], "the batch")
    check_equal(flotilla.metric("flotilla_events_publish_refused_total", topic="order.created"), 1, "the metric")


@case
def what_is_wrong_is_said(_, __):
    check_problem(publish("order.created", {"total": 1}), 422, "invalid")
    check_problem(publish("unknown", {}), 404, "not-found")
    check_problem(ask(API, "POST", "/v1/topics/notes", [("Content-Type", "application/json")], b"{"), 400, "malformed")
    check_problem(ask(API, "POST", "/v1/topics/notes", [("Content-Type", "text/plain")], b"x" * 1_100_000), 413, "too-large")
    check_problem(ask(API, "GET", "/v1/topics/notes?limit=0"), 400, "malformed")
    check_problem(ask(API, "GET", "/v1/topics/notes?from=0-999999999"), 503, "behind")
    check_equal(ask(API, "DELETE", "/v1/topics/notes").get("Allow"), "GET, POST", "Allow")


@case
def pages_follow_each_other(_, __):
    begun = latest("notes")
    publish_batch("notes", [{"id": f"p{n}", "source": "/p", "data": n} for n in range(25)])
    seen, token = [], begun
    while True:
        page = read("notes", f"from={token}&limit=10")
        token = page["next"]
        if not page["events"]:
            break
        seen += [event["data"] for event in page["events"]]
    check_equal(seen, list(range(25)), "all pages")


@case
def a_long_poll_is_answered_by_the_next_event(flotilla, _):
    with Wire(API) as wire:
        wire.request("GET", f"/v1/topics/notes?from={latest('notes')}&wait=60s")
        wait_until(lambda: flotilla.metric("flotilla_events_readers") == 1, "the reader waits")
        publish("order.created", {"order_id": 1})
        publish("notes", {"woken": True})
        events = wire.response().json()["events"]
    check_equal([event["data"] for event in events], [{"woken": True}], "the answer")


@case
def a_stream_goes_on_where_it_broke_off(_, __):
    begun = latest("notes")
    publish("notes", {"n": 1})

    def lines(last_id, until):
        with Wire(API) as wire:
            wire.request("GET", "/v1/topics/notes", [("Accept", "text/event-stream"), ("Last-Event-ID", last_id)])
            head = wire.read_head()
            check_equal((head.status, head.get("Content-Type")), (200, "text/event-stream"), "the head")
            while until not in wire.buffer:
                check(wire.fill(), "the stream ended")
            return [line for line in wire.buffer.decode().split("\n") if line.startswith(("id:", "data:"))]

    first = lines(begun, b'"n": 1')
    publish("notes", {"n": 2})
    second = lines(first[0].removeprefix("id: "), b'"n": 2')
    check('"n": 1' not in "".join(second), f"what was seen comes again: {second}")


@case
def sagas_publish_to_topics(_, __):
    answer = ask(API, "POST", "/v1/sagas/place-order?wait=10s", [("Content-Type", "application/json")],
                 b'{"order_id": 5, "total": 1.10}')
    check_equal(answer.json()["state"], "completed", "the saga")
    placed, paid = read("order.placed")["events"], read("order.paid")["events"]
    check_equal([event["data"] for event in placed + paid], [{"order_id": 5, "total": 1.1}, {"order": 5}], "their data")
    check_equal({event["correlationid"] for event in placed + paid}, {answer.json()["id"]}, "their correlation")


@case
def operators_see_topics(flotilla, _):
    items = {item["name"]: item for item in flotilla.admin("GET", "/api/v1/topics").json()["items"]}
    check_equal(sorted(items), ["notes", "order.created", "order.paid", "order.placed"], "the topics")
    check_equal(items["order.created"]["retain"], "7d", "retain")
    check_equal(items["order.created"]["events"], len(read("order.created", "limit=1000")["events"]), "events")
    check_equal(flotilla.admin("GET", "/api/v1/topics/notes").json()["events"],
                flotilla.metric("flotilla_events_published_total", topic="notes"), "events of notes, and the metric")


@case
def what_is_retained_for_a_time_lies_apart(flotilla, _):
    """In a table that is dropped whole (retention_test.cpp drops them)."""
    if POSTGRES:
        return  # postgres_retention_test.cpp looks into that one
    publish("order.created", {"order_id": 1})
    journal = sqlite3.connect(f"file:{flotilla.folder.name}/data/flotilla.db?mode=ro", uri=True)
    (table,), = journal.execute("SELECT id FROM segments WHERE class = 2 AND retain = ?", (7 * 86_400_000,)).fetchall()
    kept = journal.execute(f"SELECT count(*) FROM topic_{table}").fetchone()[0]
    journal.close()
    check_equal(kept, flotilla.metric("flotilla_events_published_total", topic="order.created"), "events in it")


@case
def a_reload_brings_topics(flotilla, _):
    flotilla.file.write_text(CONFIG.replace("  notes: {}", "  notes: {}\n  added: {}"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    check_equal(publish("added", {}).status, 202, "status")


if __name__ == "__main__":
    with journal_store() as store, Backend(SERVICE, "shop", lambda request: Answer(201, {})) as shop_:
        CONFIG %= store
        with Flotilla(CONFIG, ADMIN) as flotilla_:
            sys.exit(main(flotilla_, shop_))
