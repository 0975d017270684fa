"""Topics deleted, and the data of a subject erased: what readers, subscribers and views get, and what is in which file."""
import json
import subprocess
import sys

from kit import PROGRAM, Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until

ADMIN, API, SERVICE = 22790, 22791, 22792

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  mail: {{ url: "http://127.0.0.1:{SERVICE}" }}
topics:
  order.created:
    key: .user_id
    personal: {{ subject: .user_id, fields: [.email, .address.street] }}
  notes: {{}}
subscriptions:
  mail-on-orders:
    topic: order.created
    deliver: POST mail/orders
    on_failure: mail.failed
views:
  user_orders:
    from: [order.created]
    key: .user_id
    row: .order_id
    fold: '(. // {{}}) + $data'
  users:
    from: [order.created, subjects.erased]
    key: .user_id
    fold: 'if $event.type == "SubjectErased" then null else (. // 0) + 1 end'
"""

JSON = [("Content-Type", "application/json")]
ANN = json.dumps({"who": "ann", "why": "she asked for it"}).encode()


def publish(topic, data, fields=()):
    answer = ask(API, "POST", f"/v1/topics/{topic}", [*JSON, *fields], json.dumps(data).encode())
    check_equal(answer.status, 202, f"status: {answer.body}")
    return answer.get("Position")


def order(user, number):
    return {"user_id": user, "order_id": number, "email": f"{user}@secret-{user}.example",
            "address": {"street": f"1 Secret {user} Street", "city": "Ulm"}}


def events(topic):
    return ask(API, "GET", f"/v1/topics/{topic}?from=0&limit=1000").json()["events"]


def datas(topic):
    return [event.get("data") for event in events(topic)]


def rows(user, after):
    answer = ask(API, "GET", f"/v1/views/user_orders/{user}?wait=10s", [("Read-After", after)])
    check_equal(answer.status, 200, f"the view: {answer.body}")
    return answer.json()


def files_with(flotilla, text):
    """Names of the files of the store, and of copies beside it, that hold the text."""
    return sorted(path.name for path in (flotilla.file.parent / "data").iterdir()
                  if path.is_file() and text.encode() in path.read_bytes())


def erase(flotilla, subject):
    """Until nothing is left to be waited for."""
    answers = []

    def done():
        answers.append(flotilla.admin("POST", f"/api/v1/subjects/{subject}/erase", ANN))
        check(answers[-1].status in (200, 202), f"erasure: {answers[-1].status} {answers[-1].body}")
        return answers[-1].status == 200
    wait_until(done, "the erasure is complete")
    return answers[0].json(), answers[-1].json()


def erased(data):
    return {**data, "email": None, "address": {"street": None, "city": "Ulm"}}


@case
def readers_views_and_subscribers_get_what_was_published(flotilla, mail):
    for number in range(3):
        position = publish("order.created", order("ann", number))
        publish("order.created", order("bob", number))
    check_equal(datas("order.created")[:2], [order("ann", 0), order("bob", 0)], "what is read")
    check_equal(rows("ann", position), [order("ann", number) for number in range(3)], "the view")
    wait_until(lambda: len(datas("order.created.dead")) == 6, "the dead letters")
    check_equal(datas("order.created.dead")[0], order("ann", 0), "a dead letter")
    check_equal(json.loads(mail.requests[0].body)["email"][-7:], "example", "what the subscriber gets")
    letters = flotilla.admin("GET", "/api/v1/subscriptions/mail-on-orders/dead-letters").json()["items"]
    check_equal(len(letters), 6, "dead letters for people")
    check_equal(flotilla.admin("GET", "/api/v1/subjects/ann").json(), {"subject": "ann", "has_key": True, "erased": None},
                "the subject")


@case
def the_log_of_events_holds_nothing_personal(flotilla, _):
    """Rows of views are plain; records are sealed."""
    flotilla.end()
    lines = subprocess.run([PROGRAM, "journal", "export", "--file", str(flotilla.file)], capture_output=True, check=True,
                           cwd=flotilla.file.parent, text=True).stdout.splitlines()
    flotilla.spawn()
    flotilla.await_ready()
    records = [line for line in lines if line.startswith('{"record"')]
    check(any("order.created" in line for line in records), "records of events")
    plain = [line for line in records if "secret-ann" in line or "Secret ann" in line]
    check_equal(plain, [], "records with what is personal")
    check_equal(datas("order.created")[0], order("ann", 0), "what is read after a restart")


@case
def after_an_erasure_nothing_personal_is_left_in_any_file(flotilla, _):
    first, last = erase(flotilla, "ann")
    check_equal((first["keys"], first["dead_letters"], last["waits_for"]), (1, 3, []), "the answer")
    check_equal(datas("order.created")[:2], [erased(order("ann", 0)), order("bob", 0)], "what is read")
    check_equal([data for data in datas("order.created.dead") if data["user_id"] == "ann"],
                [erased(order("ann", number)) for number in range(3)], "dead letters in their topic")
    failed = [data for data in datas("mail.failed") if data["user_id"] == "ann"]
    check(failed and all(data["email"] is None for data in failed), f"what on_failure published: {failed}")
    check_equal(rows("ann", last["position"]), [erased(order("ann", number)) for number in range(3)], "the view")
    check_equal(rows("bob", last["position"]), [order("bob", number) for number in range(3)], "another's")
    letters = flotilla.admin("GET", "/api/v1/subscriptions/mail-on-orders/dead-letters").json()["items"]
    check_equal(len(letters), 3, "dead letters for people")
    for text in ("secret-ann", "Secret ann"):
        check_equal(files_with(flotilla, text), [], f"files with '{text}'")
    check(files_with(flotilla, "secret-bob") != [], "that the search finds what is there: bob is in a row of a view")
    shown = flotilla.admin("GET", "/api/v1/subjects/ann").json()
    check((shown["has_key"], bool(shown["erased"])) == (False, True), f"the subject: {shown}")


@case
def an_event_tells_of_it(_, __):
    told = events("subjects.erased")
    event = told[0]
    check_equal((event["type"], event["subject"], event["erasedby"], event["erasedwhy"], event["data"]),
                ("SubjectErased", "ann", "ann", "she asked for it", {"subject": "ann", "user_id": "ann"}), "the event")
    position = publish("notes", {})
    check_equal(ask(API, "GET", "/v1/views/users/ann?wait=10s", [("Read-After", position)]).status, 404,
                "a view that reads it has dropped its row")
    check_equal(ask(API, "GET", "/v1/views/users/bob").json(), 3, "another's")


@case
def copies_hold_no_key(flotilla, _):
    folder = flotilla.file.parent / "data"
    for words in (["backup", str(folder / "copy.db")], ["export", str(folder / "lines.json")]):
        subprocess.run([PROGRAM, "journal", words[0], words[1], "--file", str(flotilla.file)], check=True,
                       capture_output=True, cwd=flotilla.file.parent)
    check_equal(files_with(flotilla, "secret-ann"), [], "files with what was erased")
    check((folder / "flotilla.db.keys").exists() and not (folder / "copy.db.keys").exists(), "the files")
    subprocess.run([PROGRAM, "journal", "verify", "--store", str(folder / "copy.db")], check=True, capture_output=True)


@case
def a_replay_sends_what_is_left(flotilla, mail):
    before = len(mail.requests)
    answer = ask(API, "POST", "/v1/subscriptions/mail-on-orders/replay", JSON,
                 json.dumps({"from": "0", "to": events_position(0)}).encode())
    check_equal(answer.status, 200, f"status: {answer.body}")
    wait_until(lambda: len(mail.requests) > before, "the replay")
    sent = mail.requests[before]
    check_equal((sent.get("Event-Replay"), json.loads(sent.body)), ("true", erased(order("ann", 0))), "what is sent")


def events_position(index):
    page = ask(API, "GET", f"/v1/topics/order.created?from=0&limit={index + 1}").json()
    return page["next"]


@case
def who_comes_back_is_known_again(flotilla, _):
    publish("order.created", order("ann", 9))
    check_equal(datas("order.created")[-1], order("ann", 9), "what is read")
    check_equal(datas("order.created")[0], erased(order("ann", 0)), "what was erased")


@case
def an_erasure_survives_kill_9(flotilla, _):
    publish("order.created", order("cid", 1))
    erase(flotilla, "cid")
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    check_equal(datas("order.created")[-1], erased(order("cid", 1)), "what is read")
    check_equal(files_with(flotilla, "secret-cid"), [], "files with what was erased")


@case
def what_is_wrong_is_said(flotilla, _):
    check_problem(flotilla.admin("POST", "/api/v1/subjects/x/erase", b'{"who": "ann"}'), 422, "invalid")
    check_problem(flotilla.admin("GET", "/api/v1/subjects"), 404, "not-found")
    check_problem(flotilla.admin("DELETE", "/api/v1/topics/none", ANN), 404, "not-found")
    problem = check_problem(flotilla.admin("DELETE", "/api/v1/topics/order.created", ANN), 409, "conflict")
    for user in ("subscription mail-on-orders", "view user_orders", "view users"):
        check(user in problem["detail"], f"who reads it: {problem['detail']}")
    check_problem(flotilla.admin("DELETE", "/api/v1/topics/notes", b"{}"), 422, "invalid")
    other = flotilla.file.parent / "other.yaml"
    other.write_text('stores: { journal: "postgres://u@h/d" }\napi: { listen: 127.0.0.1:0 }\n'
                     "topics: { t: { personal: { subject: .a, fields: [.b] } } }\n")
    said = subprocess.run([PROGRAM, "check", str(other)], capture_output=True, text=True)
    check(said.returncode != 0 and "other.yaml:3:26: personal data over" in said.stdout + said.stderr, f"over PostgreSQL: {said}")


@case
def a_topic_is_deleted_and_begins_anew(flotilla, _):
    for number in range(3):
        publish("notes", {"n": number}, [("ce-id", f"n{number}"), ("ce-source", "/n")])
    batch = [{"id": f"b{n}", "source": "/b", "data": {"text": "forgotten-note", "n": n}} for n in range(1000)]
    for part in range(3):
        for each in batch:
            each["id"] = f"b{part}-{each['data']['n']}"
        check_equal(ask(API, "POST", "/v1/topics/notes", [("Content-Type", "application/cloudevents-batch+json")],
                        json.dumps(batch).encode()).status, 202, "a batch")
    answer = flotilla.admin("DELETE", "/api/v1/topics/notes", ANN)
    check(answer.status in (200, 202), f"status: {answer.status} {answer.body}")
    wait_until(lambda: flotilla.admin("GET", "/api/v1/topics/notes").json()["deletions"][0]["state"] == "deleted", "it is done")
    check_equal(datas("notes"), [], "what is read")
    deletion = flotilla.admin("GET", "/api/v1/topics/notes").json()["deletions"][0]
    check_equal((deletion["who"], deletion["why"]), ("ann", "she asked for it"), "who and why")
    check(deletion["events"] >= 3003, f"how many: {deletion}")
    again = ask(API, "POST", "/v1/topics/notes", [*JSON, ("ce-id", "n1"), ("ce-source", "/n")], b'{"n": 1}').json()
    check_equal(again["events"][0]["duplicate"], False, "an id that was deleted is new")
    check_equal(datas("notes"), [{"n": 1}], "what is read from then on")


@case
def a_deletion_goes_on_after_kill_9(flotilla, _):
    for _ in range(5):
        batch = [{"data": {"n": n}} for n in range(1000)]
        ask(API, "POST", "/v1/topics/notes", [("Content-Type", "application/cloudevents-batch+json")], json.dumps(batch).encode())
    process = subprocess.Popen([PROGRAM, "topics", "delete", "notes", "--who", "ann", "--why", "x", "--admin",
                                f"http://127.0.0.1:{ADMIN}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: process.poll() is not None or "deletions" in str(flotilla.admin("GET", "/api/v1/topics/notes").body),
               "it has begun")
    flotilla.kill()
    process.wait()
    flotilla.spawn()
    flotilla.await_ready()
    deletions = flotilla.admin("GET", "/api/v1/topics/notes").json()["deletions"]
    if len(deletions) > 1:
        wait_until(lambda: flotilla.admin("GET", "/api/v1/topics/notes").json()["deletions"][0]["state"] == "deleted",
                   "it is done")
        check_equal(datas("notes"), [], "what is read")


if __name__ == "__main__":
    with Backend(SERVICE, "mail", lambda request: Answer(422, {})) as mail_, Flotilla(CONFIG, ADMIN) as flotilla_:
        sys.exit(main(flotilla_, mail_))
