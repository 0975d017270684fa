"""The choreographed order of the pattern guide, followed: order.created, a payment service that answers, payment.success or
payment.failed, a cancellation; one picture of each, what is overdue told once, also after kill -9."""
import json
import subprocess
import sys
import urllib.parse

from kit import PATIENCE, PROGRAM, SLOWDOWN, Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until
from stores import POSTGRES, journal_store

ADMIN, API, PAYMENT, ORDER = 22770, 22771, 22772, 22773

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN}, hosts: [a.example] }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "@store@" }}
services:
  payment-service: {{ url: "http://127.0.0.1:{PAYMENT}" }}
  order-service: {{ url: "http://127.0.0.1:{ORDER}" }}
subscriptions:
  charge-new-orders:
    topic: order.created
    deliver: POST payment-service/events/order-created
    retry: {{ attempts: 2, backoff: 10ms..20ms }}
    on_success: payment.success
    on_failure: payment.failed
  cancel-unpaid-orders:
    topic: payment.failed
    deliver: POST order-service/events/payment-failed
    on_success: order.canceled
choreographies:
  order:
    correlate: .order_id
    start: order.created
    expect:
      - {{ after: order.created, one_of: [payment.success, payment.failed], within: 1s }}
      - {{ after: payment.success, one_of: [order.shipped], within: 24h }}
      - {{ after: payment.failed, all_of: [order.canceled], within: 10m }}
    end: {{ ok: [order.shipped], undone: [order.canceled] }}
    also: [order.noted]
    on_overdue: {{ event: order.overdue }}
  everything: {{ start: order.created, also: [payment.success, payment.failed, refund.asked] }}
sagas:
  refund:
    publish:
      accepted: {{ topic: refund.asked, data: .input }}
    steps:
      - pay-back: {{ kind: pivot, action: POST payment-service/refunds }}
"""

JSON = [("Content-Type", "application/json")]
LEASE = (60 if POSTGRES else 10) * SLOWDOWN  # seconds within which the program has what another one had that was killed


def payment(request):
    if request.target != "/events/order-created":
        return Answer(201, {})
    data = json.loads(request.body)
    if data["user_id"] == "slow":
        return Answer(202, {})  # and never says more
    return Answer(402, {"error": "no money"}) if data["total"] > 100 else Answer(201, data)


def publish(topic, data, fields=()):
    answers = []

    def taken():  # over PostgreSQL a shard has no owner for a moment after a kill
        answers.append(ask(API, "POST", f"/v1/topics/{topic}", [*JSON, *fields], json.dumps(data).encode()))
        check(answers[-1].status == 202 or (POSTGRES and answers[-1].status == 503), f"status: {answers[-1].body}")
        return answers[-1].status == 202

    wait_until(taken, f"{topic} is published", LEASE)
    return answers[-1].get("Position")


def order(number, user="ann", total=9.5):
    return {"order_id": number, "user_id": user, "total": total}


def picture(number, after=None, port=API, prefix="/v1"):
    fields = [("Read-After", after)] if after else []
    return ask(port, "GET", f"{prefix}/correlations/{urllib.parse.quote(str(number))}?wait=10s", fields)


def shown(number):
    answer = picture(number)
    return answer.json() if answer.status == 200 else {"events": []}


def of_order(found):
    return next(each for each in found["choreographies"] if each["name"] == "order")


def state(number):
    found = shown(number)
    return of_order(found)["state"] if found["events"] else None


def topics(found):
    return [event["topic"] for event in found["events"]]


def alerts(number):
    answers = []

    def answered():
        answers.append(ask(API, "GET", "/v1/topics/order.overdue?from=0&limit=1000"))
        check(answers[-1].status == 200 or (POSTGRES and answers[-1].status == 503), f"status: {answers[-1].body}")
        return answers[-1].status == 200

    wait_until(answered, "order.overdue is read", LEASE)
    page = answers[-1].json()
    return [event for event in page["events"] if event["data"]["id"] == str(number)]


def listed(query):
    items, after = [], ""
    while True:
        page = ask(API, "GET", f"/v1/correlations?{query}{after}").json()
        items += page["items"]
        if page["next"] is None:
            return items
        after = "&after=" + urllib.parse.quote(page["next"])


@case
def an_order_that_is_paid_and_shipped(_, __):
    position = publish("order.created", order(1))
    first = picture(1, position).json()
    check_equal(topics(first)[0], "order.created", "the first event")
    wait_until(lambda: "payment.success" in topics(shown(1)), "it is paid")
    found = shown(1)
    created, paid = found["events"]
    check_equal((paid["causationid"], paid["depth"], paid["correlationid"]), (created["id"], 2, created["correlationid"]), "causation")
    check_equal(created["deliveries"], [{"subscription": "charge-new-orders", "state": "settled"}], "deliveries")
    check_equal([each["one_of"] for each in of_order(found)["expected"]], [["order.shipped"]], "what is expected next")
    check_equal(state(1), "open", "the state")
    position = publish("order.shipped", order(1))
    done = picture(1, position).json()
    check_equal(of_order(done)["state"], "ok", "the state")
    check_equal(of_order(done)["expected"], [], "nothing is expected")
    check_equal([event["unexpected"] for event in done["events"]], [False] * 3, "nothing was unexpected")
    check_equal(picture(created["correlationid"]).json()["events"], done["events"], "by the correlation of its events")
    there = picture(1, port=ADMIN, prefix="/api/v1")
    check_equal(there.status, 200, f"status: {there.body}")
    check_equal(there.json()["events"], done["events"], "on the admin port")


@case
def an_order_that_is_refused_is_undone(_, __):
    publish("order.created", order(2, total=500))
    wait_until(lambda: state(2) == "undone", "it is canceled")
    found = shown(2)
    check_equal(sorted(topics(found)), ["order.canceled", "order.created", "payment.failed"], "its events")
    delivery = found["events"][0]["deliveries"][0]
    check_equal({key: delivery[key] for key in ("subscription", "state", "attempts", "reason", "code")},
                {"subscription": "charge-new-orders", "state": "dead-letter", "attempts": 1, "reason": "refused", "code": "402"},
                "what became of it")
    check_equal(delivery["dead_letter"]["topic"], "order.created.dead", "the dead letter")
    depths = {event["topic"]: event["depth"] for event in found["events"]}
    check_equal(depths, {"order.created": 1, "payment.failed": 2, "order.canceled": 3}, "causation")


@case
def what_is_overdue_is_told_once_and_what_comes_late_is_marked(flotilla, _):
    check_equal(of_order(picture(3, publish("order.created", order(3, "slow"))).json())["state"], "open", "the state before")
    wait_until(lambda: alerts(3), "it is told")
    alert = alerts(3)[0]
    found = shown(3)
    check_equal((alert["type"], alert["source"], alert["subject"]), ("order.overdue", "/choreographies/order", "3"), "the alert")
    check_equal({key: alert["data"][key] for key in ("choreography", "after", "one_of")},
                {"choreography": "order", "after": "order.created", "one_of": ["payment.success", "payment.failed"]}, "what it says")
    check_equal((alert["causationid"], alert["correlationid"]), (found["events"][0]["id"], found["events"][0]["correlationid"]), "its cause")
    check(alert["data"]["due"] >= found["events"][0]["recorded"], "when it was due")
    wait_until(lambda: of_order(shown(3))["expected"][0]["told"] is not None, "the picture says that it was told")
    check_equal(of_order(shown(3))["state"], "overdue", "the state")
    check("3" in [item["id"] for item in listed("state=overdue&choreography=order")], "it is listed as overdue")
    check("3" not in [item["id"] for item in listed("state=open&choreography=order")], "and not as open")
    check_equal(flotilla.metric("flotilla_choreographies_told_total", choreography="order"), 1, "the metric")
    position = publish("payment.success", order(3, "slow"))
    late = picture(3, position).json()
    check_equal((late["events"][1]["late"], of_order(late)["late"]), (True, 1), "it came late")
    check_equal(of_order(late)["state"], "open", "the state after")
    check_equal(len(alerts(3)), 1, "alerts")


@case
def what_nobody_expects_is_marked(_, __):
    publish("order.created", order(4))
    wait_until(lambda: "payment.success" in topics(shown(4)), "it is paid")
    publish("order.noted", order(4))
    position = publish("payment.failed", order(4, total=1))
    marks = {event["topic"]: event["unexpected"] for event in picture(4, position).json()["events"]}
    check_equal((marks["payment.failed"], marks["order.noted"], marks["payment.success"]), (True, False, False), "unexpected")


@case
def a_saga_in_it_is_shown(_, __):
    answer = ask(API, "POST", "/v1/sagas/refund?wait=10s", [*JSON, ("Correlation-Id", "customer-9")], b'{"customer": 9}')
    saga = answer.json()
    check_equal(saga["state"], "completed", f"the saga: {answer.body}")
    newest = ask(API, "GET", "/v1/topics/refund.asked?from=latest").json()["next"]
    found = picture("customer-9", newest).json()
    check_equal([(each["id"], each["state"]) for each in found["sagas"]], [(saga["id"], "completed")], "the saga in the picture")
    check_equal(topics(found), ["refund.asked"], "its event")
    check_equal(picture(saga["id"]).json()["sagas"][0]["id"], saga["id"], "by the saga's id")


@case
def a_kill_in_the_middle_loses_nothing_and_repeats_nothing(flotilla, _):
    numbers = (20, 25) if POSTGRES else range(20, 26)  # there a lease has to end after each
    for number in numbers:
        publish("order.created", order(number, "slow"))
        flotilla.kill()  # before it is due, while it is told, or after
        flotilla.spawn()
        flotilla.await_ready()
    for number in numbers:
        wait_until(lambda n=number: alerts(n), f"order {number} is told", LEASE)
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    for number in numbers:
        wait_until(lambda n=number: state(n) == "overdue", f"order {number} is overdue", LEASE)
        check_equal(len(alerts(number)), 1, f"alerts of order {number}")
        position = publish("payment.failed", order(number, "slow"))
        check_equal(topics(picture(number, position).json())[:2], ["order.created", "payment.failed"], "its events")
        wait_until(lambda n=number: state(n) == "undone", f"order {number} is undone", LEASE)


@case
def another_definition_is_built_beside(flotilla, _):
    before = len(listed("choreography=order"))
    flotilla.file.write_text(flotilla.file.read_text().replace("also: [order.noted]", "also: [order.noted, payment.failed]"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    wait_until(lambda: not any(event["unexpected"] for event in shown(4)["events"]), "the new definition is followed", LEASE)
    check_equal(len(listed("choreography=order")), before, "transactions")
    check_equal([len(alerts(number)) for number in (3, 20, 25)], [1, 1, 1], "alerts")


@case
def lists_go_page_by_page(_, __):
    everything = listed("limit=1000")
    by_pages = listed("limit=3")
    check_equal([(each["choreography"], each["id"]) for each in by_pages], [(each["choreography"], each["id"]) for each in everything], "pages")
    check_equal(len({(each["choreography"], each["id"]) for each in everything}), len(everything), "each once")
    for wanted in ("ok", "open", "undone", "overdue"):
        check(all(item["state"] == wanted for item in listed(f"state={wanted}&limit=2")), f"the list of {wanted}")
    check("1" in [item["id"] for item in listed("state=ok&choreography=order")], "an order that is done")


@case
def what_cannot_be_asked_is_said(_, __):
    check_problem(picture("nothing"), 404, "not-found")
    check_problem(ask(API, "GET", "/v1/correlations?state=late"), 400, "malformed")
    check_problem(ask(API, "GET", "/v1/correlations?limit=0"), 400, "malformed")
    check_problem(ask(API, "GET", "/v1/correlations?after=x"), 400, "malformed")
    check_problem(ask(API, "GET", "/v1/correlations?choreography=none"), 404, "not-found")
    check_problem(ask(API, "GET", "/v1/correlations/1/2"), 404, "not-found")
    check_problem(ask(API, "GET", "/v1/correlations/1?wait=10ms", [("Read-After", "0-99999999")]), 503, "behind")
    check_equal(ask(API, "DELETE", "/v1/correlations/1").get("Allow"), "GET, HEAD", "Allow")


def trace(*arguments):
    done = subprocess.run([PROGRAM, "trace", *arguments, "--admin", f"http://127.0.0.1:{ADMIN}"], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


@case
def the_command_line_shows_it_as_a_tree(_, __):
    code, out, err = trace("2")
    check_equal(code, 0, f"exit code: {err}")
    lines = [line[26:] for line in out.splitlines() if line.startswith("20")]
    check_equal([line.split("  (")[0] for line in lines], ["order.created", "  payment.failed", "    order.canceled"], f"the tree:\n{out}")
    check("-> charge-new-orders: dead-letter after 1 attempts, refused 402" in out, f"its deliveries:\n{out}")
    code, out, _err = trace("2", "-o", "json")
    check_equal((code, json.loads(out)["id"]), (0, "2"), "as JSON")
    code, out, _err = trace("--state", "ok")
    check(code == 0 and "order" in out and out.startswith("ID"), f"the list:\n{out}")
    check_equal(trace("nothing")[0], 1, "what is not there")
    check_equal(trace("1", "--state", "ok")[0], 2, "wrong usage")


if __name__ == "__main__":
    with journal_store() as store, Backend(PAYMENT, "payment", payment) as payment_, \
            Backend(ORDER, "order", lambda request: Answer(200, json.loads(request.body))), \
            Flotilla(CONFIG.replace("@store@", store), ADMIN) as flotilla_:
        sys.exit(main(flotilla_, payment_))
