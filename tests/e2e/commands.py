"""Commands in the running program: the write side of CQRS as the pattern guide has it, keys, conflicts, checks, views, restarts."""
import concurrent.futures
import json
import subprocess
import sys

from kit import PROGRAM, Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until

ADMIN, API, GATEWAY, SERVICE = 22760, 22761, 22762, 22763

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  inventory-service:
    url: "http://127.0.0.1:{SERVICE}"
    circuit_breaker: {{ failures: 5, reset: 200ms }}
    retry: {{ attempts: 1 }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - POST /commands/create-order: {{ command: create-order }}
      - GET /users/{{user_id}}/orders: {{ view: user_orders, key: "{{user_id}}" }}
topics:
  order.created: {{ key: .user_id, schema: {{ type: object, required: [user_id] }} }}
  order.paid: {{}}
aggregates:
  parcel:
    evolve: '. + $data'
    commands:
      send-parcel:
        id: .parcel_id
        check:
          - call: POST inventory-service/check
            body: '{{order_id: .parcel_id}}'
            headers: {{ X-Tenant: "{{.tenant}}", Accept: text/plain }}
        decide: '[{{type: "parcel.sent", data: $command}}]'
      tell-parcel:
        id: .parcel_id
        decide: '[{{type: ("parcel." + $command.what), data: {{}}}}]'
  order:
    evolve: 'if $event.type == "order.created" then $data + {{status: "pending", paid: 0}} elif $event.type == "order.paid" then . + {{paid: (.paid + $data.amount)}} else . end'
    snapshot_every: 10
    commands:
      create-order:
        schema: {{ type: object, required: [order_id, total], properties: {{ total: {{ type: number, minimum: 0 }} }} }}
        id: .order_id
        check: ["POST inventory-service/check"]
        decide: 'if . then {{error: {{code: "exists", message: "the order exists"}}}} else [{{type: "order.created", data: $command}}] end'
      pay-order:
        id: .order_id
        decide: |
          if . == null then {{error: {{code: "unknown-order", message: "there is no such order"}}}}
          elif .paid + $command.amount > .total then {{error: {{code: "too-much", message: "more than is owed"}}}}
          else [{{type: "order.paid", data: $command}}] end
views:
  user_orders:
    from: [order.created]
    key: .user_id
    row: .order_id
    fold: '(. // {{}}) + $data + {{status: $event.type}}'
  paid:
    from: [order.paid]
    key: .order_id
    fold: '(. // 0) + $data.amount'
"""

JSON = [("Content-Type", "application/json")]


def execute(name, body, fields=(), port=API, prefix="/v1/commands/"):
    return ask(port, "POST", prefix + name, [*JSON, *fields], json.dumps(body).encode())


def order(number, user="ann", total=100):
    return {"order_id": number, "user_id": user, "total": total}


def key(text):
    return ("Idempotency-Key", text)


def stock(request):
    """The inventory: nothing named 'gone' is there, and for 'broken' it breaks."""
    name = json.loads(request.body)["order_id"]
    if name.startswith("gone"):
        return Answer(409, {"error": {"code": "out-of-stock", "message": "no items left"}})
    return Answer(500 if name.startswith("broken") else 200, {"ok": True})


def view(target, position):
    return ask(API, "GET", f"/v1/views/{target}?wait=10s", [("Read-After", position)])


@case
def an_order_is_created_published_and_read_by_whoever_created_it(_, service):
    service.forget()
    answer = execute("create-order", order("o-1"), port=GATEWAY, prefix="/commands/")
    check_equal(answer.status, 200, f"status: {answer.body}")
    reply = answer.json()
    check_equal((reply["id"], reply["version"], answer.get("ETag")), ("o-1", 1, '"1"'), "id, version and ETag")
    check_equal(reply["position"], answer.get("Position"), "the position")
    check_equal([(event["type"], event["data"]) for event in reply["events"]], [("order.created", order("o-1"))], "events")
    check_equal([json.loads(request.body) for request in service.requests], [order("o-1")], "the check had the command")
    rows = view("user_orders/ann", answer.get("Position"))
    check_equal(rows.json(), [{**order("o-1"), "status": "order.created"}], "the view right after the command")
    events = ask(API, "GET", "/v1/topics/order.created").json()["events"]
    check_equal(len(events), 1, "events in the topic")
    event = events[0]
    check_equal((event["id"], event["source"], event["subject"], event["partitionkey"]),
                (reply["events"][0]["id"], "/aggregates/order", "o-1", "ann"), "the event")


@case
def many_commands_are_seen_right_after_they_were_answered(_, __):
    for number in range(20):
        position = execute("create-order", order(f"many-{number}", "bob")).get("Position")
        check_equal(len(view("user_orders/bob", position).json()), number + 1, "orders of bob")


@case
def what_is_refused_says_its_code_and_changes_nothing(_, __):
    before = execute("create-order", order("o-2"))
    problem = check_problem(execute("create-order", order("o-2", "eve")), 422, "refused")
    check_equal((problem["code"], problem["detail"]), ("exists", "the order exists"), "why")
    problem = check_problem(execute("pay-order", {"order_id": "none", "amount": 1}), 422, "refused")
    check_equal(problem["code"], "unknown-order", "why")
    check_equal(view("user_orders/eve", before.get("Position")).status, 404, "nothing of eve's")
    check_problem(execute("create-order", {"order_id": "x"}), 422, "invalid")
    check_problem(execute("create-order", {"order_id": {}, "total": 1}), 422, "invalid")
    problem = check_problem(execute("create-order", {"order_id": "nobody's", "total": 1}), 422, "invalid")
    check("user_id" in problem["detail"], f"the topic's schema is the reason: {problem}")
    check_problem(execute("nothing", {}), 404, "not-found")
    check_problem(ask(API, "POST", "/v1/commands/pay-order", JSON, b"{"), 400, "malformed")
    check_equal(ask(API, "GET", "/v1/commands/pay-order").get("Allow"), "POST", "Allow")


@case
def checks_stand_before_the_decision(flotilla, service):
    problem = check_problem(execute("create-order", order("gone-1")), 422, "refused")
    check_equal((problem["code"], problem["service"]), ("out-of-stock", "inventory-service"), "why")
    problem = check_problem(execute("create-order", order("broken-1")), 502, "bad-answer")
    check_equal(problem["service"], "inventory-service", "whose fault it is")
    for _ in range(10):
        answer = execute("create-order", order("broken-1"))
    check_problem(answer, 503, "circuit-open")  # the same policies as for every call
    wait_until(lambda: execute("create-order", order("o-3")).status == 200, "the breaker closes again")
    service.forget()
    check_equal(execute("pay-order", {"order_id": "o-3", "amount": 1}).status, 200, "a command without checks")
    check_equal(service.requests, [], "calls")


@case
def a_checks_call_has_its_own_headers(_, service):
    service.forget()
    parcel = {"parcel_id": "headed-1", "tenant": "blue"}
    check_equal(execute("send-parcel", parcel, [key("p-1")]).status, 200, "status")
    check_equal([json.loads(request.body) for request in service.requests], [{"order_id": "headed-1"}], "what was sent")
    check_equal({request.get("X-Tenant") for request in service.requests}, {"blue"}, "X-Tenant")
    check_equal([request.all("Accept") for request in service.requests], [["text/plain"]], "Accept")
    service.forget()
    problem = check_problem(execute("send-parcel", {"parcel_id": "headed-2"}), 422, "invalid")
    check("X-Tenant" in problem["detail"], f"a header of nothing is not sent: {problem}")
    check_equal(service.requests, [], "requests")


@case
def what_is_decided_can_be_read(_, __):
    answer = execute("send-parcel", {"parcel_id": "read", "tenant": "red"})  # of a topic that only `decide` names
    check_equal(answer.status, 200, f"status: {answer.body}")
    events = ask(API, "GET", "/v1/topics/parcel.sent").json()["events"]
    check_equal([event["subject"] for event in events if event["subject"] == "read"], ["read"], "the event")
    check_equal(execute("tell-parcel", {"parcel_id": "read", "what": "sent"}).status, 200, "a computed type, of a topic of the file")
    problem = check_problem(execute("tell-parcel", {"parcel_id": "read", "what": "lost"}), 422, "invalid")
    check("'parcel.lost'" in problem["detail"], f"a topic that nobody could read: {problem}")


@case
def old_events_are_folded_in_their_newest_form(flotilla, _):
    execute("create-order", order("formed", total=3))
    execute("pay-order", {"order_id": "formed", "amount": 1})
    newer = CONFIG.replace("    snapshot_every: 10\n", """    snapshot_every: 10
    upcast:
      order.created: ['. + {currency: "EUR"}', 'del(.currency) + {total: {(.currency): .total}}']
""").replace("> .total then", "> .total.EUR then")
    flotilla.file.write_text(newer)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    seen = shown(flotilla, "/order/formed")
    check_equal((seen["state"]["total"], seen["state"]["paid"]), ({"EUR": 3}, 1), "the state, of old events")
    check_equal(seen["items"][0]["data"], order("formed", total=3), "what is kept")
    problem = check_problem(execute("pay-order", {"order_id": "formed", "amount": 3}), 422, "refused")
    check_equal(problem["code"], "too-much", "it is decided on the newest form")
    flotilla.file.write_text(CONFIG)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")


@case
def a_key_has_one_answer(flotilla, service):
    service.forget()
    first = execute("create-order", order("keyed"), [key("k-1")])
    check_equal(first.status, 200, f"status: {first.body}")
    again = execute("create-order", order("keyed"), [key('"k-1"')])
    check_equal((again.status, again.body, again.get("Position")), (200, first.body, first.get("Position")), "the answer again")
    check_equal(again.get("Idempotent-Replayed"), "true", "Idempotent-Replayed")
    reordered = dict(reversed(list(order("keyed").items())))
    check_equal(execute("create-order", reordered, [key("k-1")]).body, first.body, "members in another order")
    check_equal(len(service.requests), 1, "checks")
    check_problem(execute("create-order", order("other"), [key("k-1")]), 422, "key-reused")
    # Of another principal it is another key.
    check_problem(execute("create-order", order("keyed"), [key("k-1")], GATEWAY, "/commands/"), 422, "refused")
    refused = execute("create-order", order("keyed", "eve"), [key("k-2")])
    again = execute("create-order", order("keyed", "eve"), [key("k-2")])
    check_equal((again.status, again.body), (422, refused.body), "a refusal is an answer, too")
    check_equal(again.get("Idempotent-Replayed"), "true", "Idempotent-Replayed")
    check_problem(execute("create-order", order("x"), [key("a b")]), 400, "malformed")
    check(flotilla.metric("flotilla_commands_replayed_total", command="create-order") >= 3, "the metric")


@case
def of_racing_writers_exactly_one_wins_a_version(_, __):
    version = execute("create-order", order("raced", total=1000)).json()["version"]
    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: execute("pay-order", {"order_id": "raced", "amount": 1},
                                                      [("If-Match", f'"{version}"')]), range(16)))
        won = [answer for answer in answers if answer.status == 200]
        check_equal(len(won), 1, f"winners of version {version}")
        for answer in answers:
            if answer not in won:
                check_problem(answer, 409, "conflict")
        version += 1
        check_equal(won[0].json()["version"], version, "the winner's version")
    # Without a version all of them are decided, one after the other.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: execute("pay-order", {"order_id": "raced", "amount": 1}), range(64)))
    check_equal({answer.status for answer in answers}, {200}, "statuses")
    versions = sorted(answer.json()["version"] for answer in answers)
    check_equal(versions, list(range(version + 1, version + 65)), "versions are dense")
    last = max(answers, key=lambda answer: answer.json()["version"])
    check_equal(view("paid/raced", last.get("Position")).json(), 69, "what was paid")


@case
def one_key_sent_many_times_at_once_is_executed_once(_, __):
    execute("create-order", order("once"))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: execute("pay-order", {"order_id": "once", "amount": 7}, [key("same")]), range(32)))
    check_equal({(answer.status, answer.body) for answer in answers}, {(200, answers[0].body)}, "answers")
    check_equal(view("paid/once", answers[0].get("Position")).json(), 7, "what was paid")


@case
def a_restart_and_another_evolve_know_what_was_decided(flotilla, _):
    execute("create-order", order("long", total=100))
    for _ in range(35):  # over several snapshots
        answer = execute("pay-order", {"order_id": "long", "amount": 2}, [key(f"long-{_}")])
        check_equal(answer.status, 200, f"status: {answer.body}")
    check(flotilla.metric("flotilla_commands_snapshots_kept_total", command="pay-order") >= 3, "snapshots")
    loaded = flotilla.metric("flotilla_commands_events_loaded_total", command="pay-order")
    execute("pay-order", {"order_id": "long", "amount": 1})
    check(flotilla.metric("flotilla_commands_events_loaded_total", command="pay-order") - loaded <= 10, "few events are folded")
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    check_equal(execute("pay-order", {"order_id": "long", "amount": 2}, [key("long-34")]).body, answer.body, "the last key's answer")
    problem = check_problem(execute("pay-order", {"order_id": "long", "amount": 30}), 422, "refused")
    check_equal(problem["code"], "too-much", "71 of 100 were paid")
    # Another evolve counts double: it reads no snapshot of the first.
    flotilla.file.write_text(CONFIG.replace("(.paid + $data.amount)", "(.paid + $data.amount * 2)"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    problem = check_problem(execute("pay-order", {"order_id": "long", "amount": 1}), 422, "refused")
    check_equal(problem["code"], "too-much", "142 of 100 were paid")
    flotilla.file.write_text(CONFIG)
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    check_equal(execute("pay-order", {"order_id": "long", "amount": 29}).status, 200, "the first evolve again")


def shown(flotilla, target):
    answer = flotilla.admin("GET", f"/api/v1/aggregates{target}")
    check_equal(answer.status, 200, f"status: {answer.body}")
    return answer.json()


def told(flotilla, *arguments):
    """What the command line says."""
    done = subprocess.run([PROGRAM, "aggregates", *arguments, "--admin", f"http://127.0.0.1:{flotilla.admin_port}"],
                          capture_output=True, text=True, timeout=60, check=False)
    check_equal(done.returncode, 0, f"{arguments}: {done.stderr}")
    return done.stdout


@case
def an_aggregate_is_seen_with_its_state_and_its_events(flotilla, _):
    execute("create-order", order("seen/1"))
    for _ in range(12):  # over a snapshot
        execute("pay-order", {"order_id": "seen/1", "amount": 2})
    check_equal([(item["name"], item["commands"]) for item in shown(flotilla, "")["items"]],
                [("parcel", ["send-parcel", "tell-parcel"]), ("order", ["create-order", "pay-order"])], "the aggregates of the file")
    ids = [item["id"] for item in shown(flotilla, "/order?limit=1000")["items"]]
    check("seen/1" in ids and len(ids) == len(set(ids)), f"each order once: {ids}")
    first, rest = shown(flotilla, "/order?limit=1"), []
    after = first["next"]
    while after is not None:
        page = shown(flotilla, f"/order?limit=5&after={after}")
        rest += [item["id"] for item in page["items"]]
        after = page["next"]
    check_equal([first["items"][0]["id"], *rest], ids, "the same, a page at a time")
    seen = shown(flotilla, "/order/seen%2F1?limit=10")
    check_equal((seen["version"], seen["snapshot"], seen["state"]["paid"], seen["next"]), (13, 10, 24, "10"), "what is seen")
    check_equal([item["id"] for item in seen["items"]], [f"order/seen/1/{number}" for number in range(1, 11)], "the first events")
    seen = shown(flotilla, "/order/seen%2F1?at=4")
    check_equal((seen["version"], seen["newest"], seen["state"]["paid"], len(seen["items"])), (4, 13, 6, 4), "as of an earlier version")
    check_equal(flotilla.admin("GET", "/api/v1/aggregates/order/nobody").status, 404, "status")
    check("create-order, pay-order" in told(flotilla), "the table of aggregates")
    check("seen/1" in told(flotilla, "list", "order", "--limit", "500"), "the table of orders")
    table = told(flotilla, "show", "order", "seen/1", "--limit", "2")
    check('"paid": 24' in table and "order.paid" in table and "more with --after 2" in table, f"state and events: {table}")


@case
def the_journal_is_whole(flotilla, _):
    store = f"{flotilla.folder.name}/data/flotilla.db"
    for verb in ("verify", "export"):
        done = subprocess.run([PROGRAM, "journal", verb, "--store", store], capture_output=True, text=True, timeout=60, check=False)
        check_equal(done.returncode, 0, f"{verb}: {done.stderr[-500:]}")


if __name__ == "__main__":
    with Backend(SERVICE, "inventory-service", stock) as service_, Flotilla(CONFIG, ADMIN) as flotilla_:
        sys.exit(main(flotilla_, service_))
