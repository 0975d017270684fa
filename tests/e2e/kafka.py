"""The Kafka bridge, against librdkafka's mock cluster, or the Kafka that FLOTILLA_TEST_KAFKA names: what is published here is
read there and the other way round, by a stock client on the side of Kafka and HTTP on ours."""
import json
import sys
import threading
import time

from kafka_kit import SKIPPED, Kafka, cluster, headers_of, is_real, missing
from kit import PATIENCE, Answer, Backend, Flotilla, ask, case, check, check_equal, main, wait_until

API, ADMIN, SERVICE = 22700, 22701, 22702
OTHER_API, OTHER_ADMIN = 22703, 22704
RUN = f"{int(time.time() * 1000):x}"  # a real Kafka remembers the run before
PARTITIONS = 4


def named(topic):
    return f"{topic}.{RUN}" if is_real() else topic


def config(bootstrap, topics, group="", more="", api=API, admin=ADMIN, journal="kafka.db"):
    return f"""admin: {{ listen: 127.0.0.1:{admin} }}
api: {{ listen: 127.0.0.1:{api}, hosts: [a.example] }}
workers: 2
stores:
  journal: "sqlite:data/{journal}"
  events: "kafka://{bootstrap}{group}"
topics:
""" + "".join(f"  {topic}: {{ key: .key }}\n" for topic in topics) + more


def publish(topic, data, fields=(), api=API):
    answer = ask(api, "POST", f"/v1/topics/{topic}", [("Content-Type", "application/json"), *fields], json.dumps(data).encode())
    check_equal(answer.status, 202, f"publishing: {answer.body}")
    return answer.json()["events"][0]["id"]


def read(topic, api=API):
    return ask(api, "GET", f"/v1/topics/{topic}?from=0&limit=1000").json()["events"]


def await_events(topic, count, api=API):
    wait_until(lambda: len(read(topic, api)) >= count, f"{topic} has {count} events", PATIENCE * 3)
    return read(topic, api)


@case
def published_events_arrive_in_kafka_as_cloudevents(kafka_cluster, kafka):
    topic = named("orders.out")
    kafka_cluster.topic(topic, PARTITIONS)
    with Flotilla(config(kafka_cluster.bootstrap, [topic]), ADMIN) as flotilla:
        for n in range(40):
            publish(topic, {"key": f"k{n % 5}", "n": n}, [("ce-id", f"e{n}"), ("ce-source", "/shop"), ("ce-subject", "Caf%C3%A9")])
        messages = kafka.read_all(topic, PARTITIONS, lambda found: len(found) >= 40)
        check_equal(len(messages), 40, "messages in Kafka")
        by_key = {}
        for message in messages:
            headers = headers_of(message)
            data = json.loads(message.value())
            check_equal(headers["ce_specversion"], "1.0", "ce_specversion")
            check_equal(headers["ce_id"], f"e{data['n']}", "ce_id")
            check_equal(headers["ce_source"], "/shop", "ce_source")
            check_equal(headers["ce_type"], topic, "ce_type")
            check_equal(headers["ce_subject"], "Café", "ce_subject, which Kafka does not percent-encode")
            check_equal(headers["content-type"], "application/json", "content-type")
            check_equal(message.key().decode(), data["key"], "the key of Kafka")
            by_key.setdefault(data["key"], []).append(data["n"])
        for key, numbers in by_key.items():
            check_equal(numbers, sorted(numbers), f"E3: the order of {key}")
        # What is ours comes back as an echo, and is not kept again.
        wait_until(lambda: flotilla.metric("flotilla_kafka_echoes_total") == 40, "echoes are seen", PATIENCE * 3)
        check_equal(len(read(topic)), 40, "events in the journal")
        check_equal(flotilla.metric("flotilla_kafka_resent_total"), 0, "nothing was sent twice")


@case
def messages_of_kafka_become_events(kafka_cluster, kafka):
    topic = named("orders.in")
    kafka_cluster.topic(topic, PARTITIONS)
    with Flotilla(config(kafka_cluster.bootstrap, [topic]), ADMIN) as flotilla:
        event = [("ce_specversion", "1.0"), ("ce_id", "a1"), ("ce_source", "/legacy"), ("ce_type", "order"), ("ce_tenant", "Zoë"),
                 ("content-type", "application/json")]
        kafka.send(topic, {"key": "k", "total": 9.90}, key="k", headers=event)
        kafka.send(topic, {"key": "k", "total": 9.90}, key="k", headers=event)  # the same again
        kafka.send(topic, '{"key": "k", "plain": true}', key="k", headers=[("correlationid", "c-1")])
        kafka.send(topic, b"\xff\xfe", key="k")
        kafka.send(topic, {"key": "k"}, key="k", headers=[("ce_specversion", "1.0"), ("ce_id", "no-source")])
        structured = {"specversion": "1.0", "id": "s1", "source": "/legacy", "type": "order", "data": {"key": "k", "n": 1.10}}
        kafka.send(topic, structured, key="k", headers=[("content-type", "application/cloudevents+json; charset=utf-8")])
        kafka.flush()
        events = await_events(topic, 4)
        first = events[0]
        check_equal((first["id"], first["source"], first["type"], first["tenant"]), ("a1", "/legacy", "order", "Zoë"), "binary")
        check_equal((first["partitionkey"], first["data"]), ("k", {"key": "k", "total": 9.90}), "key and data")
        plain = events[1]
        check_equal((plain["source"], plain["type"], plain["partitionkey"]), (f"/kafka/{topic}", topic, "k"), "a plain message")
        check(plain["id"].startswith(f"{topic}/") and plain["correlationid"] == "c-1", f"its id: {plain}")
        check_equal(plain["data"], {"key": "k", "plain": True}, "its data")
        check_equal(events[2]["datacontenttype"], "application/octet-stream", "bytes")
        check_equal(events[2]["data_base64"], "//4=", "bytes")
        check_equal((events[3]["id"], events[3]["data"]), ("s1", {"key": "k", "n": 1.10}), "structured")
        check_equal(len(events), 4, "E2: each (source, id) once")
        dead = await_events(topic + ".dead", 1)
        check_equal((dead[0]["deadlettergroup"], dead[0]["deadletterreason"]), ("kafka", "broken"), "what is no CloudEvent")
        check("'source' is missing" in dead[0]["deadletterbody"], f"it says why: {dead[0]}")
        check_equal(flotilla.metric("flotilla_kafka_duplicates_total"), 1, "duplicates")
        # What came is not sent back.
        publish(topic, {"key": "k", "mine": True})
        messages = kafka.read_all(topic, PARTITIONS, lambda found: len(found) >= 7)
        check_equal(len(messages), 7, "messages in Kafka: six were sent there, one here")


@case
def two_journals_share_a_group_or_do_not(kafka_cluster, kafka):
    topic = named("orders.shared")
    kafka_cluster.topic(topic, PARTITIONS)
    group = f"?group=shop-{RUN}"
    first = config(kafka_cluster.bootstrap, [topic], group)
    second = config(kafka_cluster.bootstrap, [topic], group, api=OTHER_API, admin=OTHER_ADMIN)
    apart = config(kafka_cluster.bootstrap, [topic], api=API + 5, admin=ADMIN + 5)

    def partitions(flotilla):
        return flotilla.metric("flotilla_kafka_partitions")

    with Flotilla(first, ADMIN) as one, Flotilla(apart, ADMIN + 5):
        wait_until(lambda: partitions(one) == PARTITIONS, "one has all partitions", PATIENCE * 3)
        with Flotilla(second, OTHER_ADMIN) as two:
            wait_until(lambda: (partitions(one), partitions(two)) == (2, 2), "they are shared", PATIENCE * 4)
            for n in range(60):
                kafka.send(topic, {"n": n}, key=f"k{n}")
            kafka.flush()
            mine = publish(topic, {"key": "a", "n": 60})
            theirs = publish(topic, {"key": "b", "n": 61}, api=OTHER_API)

            def kept():
                return [{event["data"]["n"] for event in read(topic, port)} for port in (API, OTHER_API)]
            wait_until(lambda: sum(map(len, kept())) >= 62, "all are kept", PATIENCE * 3)
            ours, others = kept()
            check(len(ours) > 5 and len(others) > 5, f"both have some: {len(ours)}, {len(others)}")
            check_equal(ours & others, set(), "E9: each event is with one of the group")
            check_equal(ours | others, set(range(62)), "E4: and none is missing")
            check(mine in [event["id"] for event in read(topic)], "what one has published is with it")
            check(theirs in [event["id"] for event in read(topic, OTHER_API)], "and the other's with that")
        # One leaves: the other has all again, and misses nothing.
        wait_until(lambda: partitions(one) == PARTITIONS, "the one that stays has all", PATIENCE * 4)
        for n in range(62, 80):
            kafka.send(topic, {"n": n}, key=f"k{n}")
        kafka.flush()
        wait_until(lambda: set(range(62, 80)) <= {event["data"]["n"] for event in read(topic)}, "they are kept", PATIENCE * 3)
        # A journal with a group of its own has every event once, whoever has published it.
        events = await_events(topic, 80, API + 5)
        check_equal(sorted(event["data"]["n"] for event in events), list(range(80)), "events of another group")


@case
def brokers_go_and_return(kafka_cluster, kafka):
    if is_real():
        return "not with a real Kafka: nobody is to end that"
    topic = named("orders.away")
    kafka_cluster.topic(topic, PARTITIONS)
    with Flotilla(config(kafka_cluster.bootstrap, [topic]), ADMIN) as flotilla:
        publish(topic, {"key": "k", "n": 0})
        wait_until(lambda: flotilla.metric("flotilla_kafka_confirmed_total") == 1, "it is confirmed", PATIENCE * 3)
        kafka_cluster.say("down 1")
        for n in range(1, 200):
            publish(topic, {"key": f"k{n % 3}", "n": n})  # 202: the journal has it
        wait_until(lambda: flotilla.metric("flotilla_kafka_connected") == 0, "the loss is seen", PATIENCE * 3)
        check_equal(flotilla.admin("GET", "/api/v1/kafka").json()["state"], "waiting", "state")
        waiting = 200 - flotilla.metric("flotilla_kafka_confirmed_total")
        check(waiting > 100, f"only {waiting} events wait")
        wait_until(lambda: flotilla.metric("flotilla_kafka_unsettled") == waiting, "they are counted")
        check_equal(flotilla.admin("GET", "/readyz").status, 200, "it serves on")
        kafka_cluster.say("up 1")
        messages = kafka.read_all(topic, PARTITIONS, lambda found: len(found) >= 200)
        check_equal(sorted(json.loads(message.value())["n"] for message in messages), list(range(200)), "E1: all are there, once")
        by_key = {}
        for message in messages:
            by_key.setdefault(message.key(), []).append(json.loads(message.value())["n"])
        for key, numbers in by_key.items():
            check_equal(numbers, sorted(numbers), f"E3: the order of {key}")
        wait_until(lambda: flotilla.metric("flotilla_kafka_connected") == 1, "the return is seen", PATIENCE * 3)


@case
def what_kafka_refuses_is_a_dead_letter(kafka_cluster, kafka):
    if is_real():
        return "not with a real Kafka: the mock refuses on request"
    topic = named("orders.refused")
    kafka_cluster.topic(topic, 1)
    with Flotilla(config(kafka_cluster.bootstrap, [topic]), ADMIN) as flotilla:
        publish(topic, {"key": "k", "n": 0}, [("ce-id", "e0"), ("ce-source", "/shop")])
        wait_until(lambda: flotilla.metric("flotilla_kafka_confirmed_total") == 1, "it is confirmed", PATIENCE * 3)
        kafka_cluster.say("refuse 1")
        publish(topic, {"key": "k", "n": 1}, [("ce-id", "e1"), ("ce-source", "/shop")])
        dead = await_events(topic + ".dead", 1)
        check_equal((dead[0]["id"], dead[0]["deadletterreason"], dead[0]["deadlettergroup"]), ("e1", "refused", "kafka"), "the letter")
        publish(topic, {"key": "k", "n": 2}, [("ce-id", "e2"), ("ce-source", "/shop")])
        messages = kafka.read_all(topic, 1, lambda found: len(found) >= 2)
        check_equal([json.loads(message.value())["n"] for message in messages], [0, 2], "the others go on")


@case
def the_pattern_guides_pair(kafka_cluster, kafka):
    """order.created is sent to Kafka; a subscriber charges; payment.failed releases the stock. Some with HTTP, some with Kafka."""
    created, success, failed = named("order.created"), named("payment.success"), named("payment.failed")
    for topic in (created, success, failed):
        kafka_cluster.topic(topic, PARTITIONS)
    released = []

    def release(request):
        released.append(json.loads(request.body)["order_id"])
        return Answer(204)

    with Backend(SERVICE, "inventory-service", release):
        more = f"""services:
  inventory-service: {{ url: http://127.0.0.1:{SERVICE} }}
subscriptions:
  release-stock: {{ topic: {failed}, deliver: POST inventory-service/release }}
"""
        with Flotilla(config(kafka_cluster.bootstrap, [created, success, failed], more=more), ADMIN):
            consumer = kafka.consumer(f"payments-{RUN}", [created])
            ended = threading.Event()

            def charge():
                while not ended.is_set():
                    message = consumer.poll(0.1)
                    if message is None or message.error() is not None:
                        continue
                    event = json.loads(message.value())
                    if event["total"] <= 100:
                        kafka.send(success, event, key=event["order_id"])
                    else:
                        kafka.send(failed, event, key=event["order_id"])
                    kafka.producer.poll(0)
            charging = threading.Thread(target=charge)
            charging.start()
            try:
                for number in range(10):  # half with HTTP, half with Kafka: services see no difference
                    order = {"order_id": f"o{number}", "user_id": "u1", "total": 10 if number % 5 else 1000}
                    if number % 2:
                        publish(created, order)
                    else:
                        kafka.send(created, order, key=order["order_id"])
                kafka.flush()
                paid = await_events(success, 8)
                check_equal(sorted(event["data"]["order_id"] for event in paid), [f"o{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)], "paid")
                wait_until(lambda: sorted(released) == ["o0", "o5"], "the stock of those that failed is released", PATIENCE * 3)
            finally:
                ended.set()
                charging.join()
                consumer.close()


if __name__ == "__main__":
    if why := missing():
        print(f"SKIPPED  the Kafka bridge is NOT tested: {why}", flush=True)
        sys.exit(SKIPPED)
    with cluster() as kafka_cluster:
        sys.exit(main(kafka_cluster, Kafka(kafka_cluster.bootstrap)))
