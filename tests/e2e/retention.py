"""What topics keep in the running program: the last event of each key, so many bytes, never what a subscription has not passed."""
import json
import sys

from kit import Answer, Backend, Flotilla, ask, case, check, check_equal, main, wait_until

ADMIN, API, SERVICE = 22900, 22901, 22902

CONFIG = f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
services:
  shop: {{ url: "http://127.0.0.1:{SERVICE}" }}
topics:
  prices: {{ key: .sku, compact: true }}
  stocks: {{ key: .sku, compact: true }}
  notes: {{ key: .sku }}
  sized: {{ retain_size: 1MiB }}
subscriptions:
  mirror:
    topic: stocks
    deliver: POST shop/stocks
    from: earliest
"""

JSON = [("Content-Type", "application/json")]
REFUSES = set()


def serve(request):
    return Answer(503 if "stocks" in REFUSES else 204)


def publish(topic, datas):
    body = json.dumps([{"data": data} for data in datas]).encode()
    answer = ask(API, "POST", f"/v1/topics/{topic}", [("Content-Type", "application/cloudevents-batch+json")], body)
    check_equal(answer.status, 202, f"status: {answer.body}")
    return answer.get("Position")


def datas(topic):
    found, token = [], "0"
    while True:
        page = ask(API, "GET", f"/v1/topics/{topic}?from={token}&limit=1000").json()
        if not page["events"]:
            return found
        found += [event["data"] for event in page["events"]]
        token = page["next"]


def prices(rounds, skus=20):
    return [{"sku": f"s{sku}", "round": number} for number in rounds for sku in range(skus)]


@case
def of_each_key_the_last_event_stays(flotilla, _):
    publish("prices", prices(range(30)))
    publish("notes", prices(range(3)))
    wait_until(lambda: len(datas("prices")) == 20, "one event of each key is left")
    check_equal(datas("prices"), prices([29]), "what is left")
    check_equal(datas("notes"), prices(range(3)), "what is not compacted")
    wait_until(lambda: flotilla.metric("flotilla_events_compaction_rounds_total", topic="prices") >= 1, "the round ends")
    check_equal(flotilla.metric("flotilla_events_compacted_total", topic="prices"), 29 * 20, "the metric")
    items = {item["name"]: item for item in flotilla.admin("GET", "/api/v1/topics").json()["items"]}
    check_equal((items["prices"]["compact"], items["notes"]["compact"]), (True, False), "what operators see")


@case
def a_reader_goes_on_from_a_token_whose_event_is_gone(_, __):
    first = publish("prices", prices([100], 1))
    publish("prices", prices([101, 102], 20))
    wait_until(lambda: len(datas("prices")) == 20, "one event of each key is left")
    page = ask(API, "GET", f"/v1/topics/prices?from={first}&limit=1000").json()
    check_equal([event["data"] for event in page["events"]], prices([102]), "what comes behind it")


@case
def what_a_subscription_has_not_passed_stays(flotilla, shop):
    REFUSES.add("stocks")
    publish("stocks", prices(range(10)))
    begun = flotilla.metric("flotilla_events_compaction_rounds_total", topic="prices")
    publish("prices", prices(range(200, 210)))
    wait_until(lambda: flotilla.metric("flotilla_events_compaction_rounds_total", topic="prices") > begun,
               "the other topic is compacted meanwhile")
    check_equal(len(datas("stocks")), 200, "events that the subscription waits for")
    REFUSES.clear()
    wait_until(lambda: len(datas("stocks")) == 20, "it has passed them, and they are compacted", 30)
    seen = {json.loads(request.body)["round"] for request in shop.requests if request.body}
    check_equal(seen, set(range(10)), "what the subscriber was sent")


@case
def the_oldest_events_go_where_there_are_too_many_bytes(flotilla, _):
    for number in range(30):
        publish("sized", [{"number": number, "padding": "x" * 100_000}])
    left = wait_until(lambda: (lambda found: found if len(found) <= 10 else None)(datas("sized")), "it is within its size")
    check_equal([data["number"] for data in left], list(range(20, 30)), "the newest stay")
    wait_until(lambda: flotilla.metric("flotilla_events_trimmed_total", topic="sized") == 20, "the metric says so")
    check(900_000 < flotilla.metric("flotilla_events_topic_bytes", topic="sized") <= 1 << 20, "the bytes")


@case
def a_reload_ends_it(flotilla, _):
    flotilla.file.write_text(CONFIG.replace("prices: { key: .sku, compact: true }", "prices: { key: .sku }"))
    check(flotilla.admin("POST", "/api/v1/config/reload").status < 300, "the reload")
    check_equal(flotilla.metric("flotilla_events_compacted_total", topic="prices"), None, "the metric")


if __name__ == "__main__":
    with Backend(SERVICE, "shop", serve) as shop_, Flotilla(CONFIG, ADMIN) as flotilla_:
        sys.exit(main(flotilla_, shop_))
