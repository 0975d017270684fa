"""Views in the running program: publish, read one's own write, pages, a gateway, another fold, a restart, operators."""
import json
import sys
import urllib.parse

from kit import Answer, Backend, Flotilla, ask, case, check, check_equal, check_problem, main, wait_until
from stores import journal_store

ADMIN, API, GATEWAY, SERVICE = 22650, 22651, 22652, 22653

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores: {{ journal: "JOURNAL" }}
services:
  shop: {{ url: "http://127.0.0.1:{SERVICE}" }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - GET /users/{{user_id}}/orders: {{ view: user_orders, key: "{{user_id}}" }}
      - GET /orders: {{ view: user_orders }}
sagas:
  place-order:
    publish:
      accepted: {{ topic: order.created, data: .input }}
      done.charge: {{ topic: payment.success, data: "{{order_id: .input.order_id, user_id: .input.user_id}}" }}
    steps:
      - charge: {{ action: POST shop/charges, body: "{{order: .input.order_id}}", undo: POST shop/refunds }}
views:
  user_orders:
    from: [order.created, payment.success, payment.failed]
    key: .user_id
    row: .order_id
    fold: '(. // {{}}) + $data + {{status: $event.type}}'
  spent:
    from: [order.created]
    key: .user_id
    fold: '(. // 0) + $data.total'
"""

JSON = [("Content-Type", "application/json")]


def write(flotilla, old, new):
    flotilla.file.write_text(FILE[0].replace(old, new))


FILE = []  # with its journal


def publish(topic, data):
    answer = ask(API, "POST", f"/v1/topics/{topic}", JSON, json.dumps(data).encode())
    check_equal(answer.status, 202, f"status: {answer.body}")
    return answer.get("Position")


def order(user, number, total=1.5):
    return {"user_id": user, "order_id": number, "total": total}


def read(target, after=None, port=API, prefix="/v1/views/"):
    return ask(port, "GET", prefix + target, [("Read-After", after)] if after else [])


@case
def a_reader_sees_what_he_wrote(_, __):
    for number in range(20):
        position = publish("order.created", order("ann", number))
        answer = read("user_orders/ann?wait=10s", position)
        check_equal(answer.status, 200, f"status: {answer.body}")
        check(len(answer.json()) == number + 1, f"{number + 1} orders: {answer.body}")
        check_equal(answer.get("View-Age"), "0", "View-Age")
    position = publish("payment.success", {"user_id": "ann", "order_id": 3})
    orders = {each["order_id"]: each for each in read("user_orders/ann?wait=10s", position).json()}
    check_equal(orders[3], {**order("ann", 3), "status": "payment.success"}, "the paid order")
    check_equal(orders[4]["status"], "order.created", "another")
    check_equal(read("spent/ann?wait=10s", position).json(), 30, "the whole view")


@case
def a_saga_is_seen_in_the_view(_, __):
    answer = ask(API, "POST", "/v1/sagas/place-order?wait=10s", JSON, json.dumps(order("bob", 1)).encode())
    check_equal(answer.json()["state"], "completed", "the saga")
    newest = ask(API, "GET", "/v1/topics/payment.success?from=latest").json()["next"]
    check_equal(read("user_orders/bob?wait=10s", newest).json(), [{**order("bob", 1), "status": "payment.success"}], "the row")


@case
def a_gateway_says_the_same(_, __):
    position = publish("order.created", order("cid d", 7))
    direct = read("user_orders/cid%20d?wait=10s", position)
    through = read("users/cid%20d/orders?wait=10s", position, GATEWAY, "/")
    check_equal((through.status, through.body), (200, direct.body), "the answer")
    check(through.get("View-Position"), "View-Position")
    check_problem(read("users/nobody/orders", None, GATEWAY, "/"), 404, "not-found")
    check_problem(read("users/ann/orders?limit=x", None, GATEWAY, "/"), 400, "malformed")
    seen, after = [], ""
    while True:
        page = read(f"orders?limit=6{after}", None, GATEWAY, "/").json()
        seen += [(item["key"], item["row"]) for item in page["items"]]
        if page["next"] is None:
            break
        after = "&after=" + urllib.parse.quote(page["next"])
    check_equal(len(seen), 22, "rows")
    check_equal(seen, sorted(seen), "their order")


@case
def what_cannot_be_read_is_said(_, __):
    check_problem(read("none/x"), 404, "not-found")
    check_problem(read("user_orders/nobody"), 404, "not-found")
    check_problem(read("user_orders/ann", "0-99999999"), 503, "behind")
    check_problem(read("user_orders/ann", "nonsense"), 400, "malformed")
    check_equal(ask(API, "DELETE", "/v1/views/user_orders/ann").get("Allow"), "GET, HEAD", "Allow")


@case
def hot_keys_come_from_memory(flotilla, _):
    read("spent/ann")
    before = flotilla.metric("flotilla_view_reads_total", view="spent", **{"from": "memory"})
    for _ in range(10):
        check_equal(read("spent/ann").json(), 30, "the view")
    check_equal(flotilla.metric("flotilla_view_reads_total", view="spent", **{"from": "memory"}) - before, 10, "reads from memory")


@case
def another_fold_takes_the_place_of_the_first_at_once(flotilla, _):
    write(flotilla, "(. // 0) + $data.total", "(. // 0) + 1")
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    seen = []

    def built():
        seen.append(read("spent/ann").json())
        return flotilla.admin("GET", "/api/v1/views/spent").json()["version"] == 2

    wait_until(built, "the new version is read")
    check(set(seen) <= {30, 20} and seen == sorted(seen, reverse=True), f"the old answer, then the new one: {seen}")
    check_equal(read("spent/ann").json(), 20, "the view")


@case
def a_restart_goes_on(flotilla, _):
    position = publish("order.created", order("ann", 50))
    flotilla.kill()
    flotilla.spawn()
    flotilla.await_ready()
    wait_until(lambda: read("spent/ann", position).status == 200, "it has caught up")
    wait_until(lambda: read("user_orders/ann", position).status == 200, "the other one, too")
    check_equal(read("spent/ann").json(), 21, "the view")
    shown = flotilla.admin("GET", "/api/v1/views/spent").json()
    check_equal((shown["version"], shown["building"]), (2, None), "the version")


@case
def operators_have_it_built_anew(flotilla, _):
    before = wait_until(lambda: (lambda view: view if view["state"] == "live" and view["lag"] == 0 else None)(
        flotilla.admin("GET", "/api/v1/views/user_orders").json()), "it has caught up")
    check_equal(flotilla.admin("POST", "/api/v1/views/user_orders/rebuild", b'{"who": "me"}').status, 200, "status")
    wait_until(lambda: flotilla.admin("GET", "/api/v1/views/user_orders").json()["version"] == before["version"] + 1,
               "the new version is read")
    wait_until(lambda: flotilla.admin("GET", "/api/v1/views/user_orders").json()["state"] == "live", "it is live")
    after = flotilla.admin("GET", "/api/v1/views/user_orders").json()
    check_equal(after["rows"], before["rows"], "rows")
    wait_until(lambda: flotilla.metric("flotilla_view_rows", view="user_orders") == before["rows"], "the metric")
    items = [item["name"] for item in flotilla.admin("GET", "/api/v1/views").json()["items"]]
    check_equal(items, ["spent", "user_orders"], "the list")


@case
def an_event_that_cannot_be_folded_stops_a_view_and_is_named(flotilla, _):
    publish("order.created", order("eve", 1))
    write(flotilla, "(. // 0) + $data.total", "(. // 0) + $data.total * 2")
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    wait_until(lambda: flotilla.admin("GET", "/api/v1/views/spent").json()["version"] == 3, "the new version is read")
    bad = publish("order.created", {"user_id": "eve", "order_id": 2, "total": "much"})
    problem = check_problem(read("spent/eve", bad), 503, "behind")
    check("cannot be folded: fold: " in problem["detail"], f"why: {problem['detail']}")
    stale = read("spent/eve?stale=ok&wait=0ms", bad)
    check_equal((stale.status, stale.json(), stale.get("Stale")), (200, 3, "true"), "what there is")
    shown = flotilla.admin("GET", "/api/v1/views/spent").json()
    check_equal(shown["state"], "stopped", "the state")
    wait_until(lambda: flotilla.metric("flotilla_view_failed", view="spent") == 1, "the metric")
    write(flotilla, "(. // 0) + $data.total", "(. // 0) + (try ($data.total + 0) catch 0)")
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    wait_until(lambda: read("spent/eve", bad).status == 200, "a fold that takes it is read")
    check_equal(read("spent/eve").json(), 1.5, "the view")


if __name__ == "__main__":
    with journal_store() as store_:
        FILE.append(CONFIG.replace("JOURNAL", store_))
        with Backend(SERVICE, "shop", lambda request: Answer(201, {})) as shop_, Flotilla(FILE[0], ADMIN) as flotilla_:
            status = main(flotilla_, shop_)
    sys.exit(status)
