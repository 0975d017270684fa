"""The Kafka bridge over TLS and with SASL. Against the real broker that tests/kafka/real_broker.py starts, events go both ways by every
mechanism; without one, what is known without a broker that speaks TLS: that one is trusted by its certificate alone, and that no
log has a password."""
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

import certificates
from kafka_kit import SKIPPED, Kafka, cluster, headers_of, missing
from kit import PATIENCE, PROGRAM, Failed, Flotilla, ask, case, check, check_equal, main, wait_until

ADMIN, API, PARTITIONS = 22705, 22706, 4
SECURE = json.loads(os.environ.get("FLOTILLA_TEST_KAFKA_SECURE", "null"))
AUTHORITY, STRANGER = certificates.Authority(), certificates.Authority("stranger")
RUN = f"{int(time.time() * 1000):x}"  # a real Kafka remembers the run before


def config(events, topic="orders"):
    lines = "".join(f"    {key}: {value}\n" for key, value in events.items())
    return f"""admin: {{ listen: 127.0.0.1:{ADMIN} }}
api: {{ listen: 127.0.0.1:{API}, hosts: [a.example] }}
workers: 2
stores:
  events:
{lines}topics: {{ {topic}: {{}} }}
"""


def publish(topic, data):
    answer = ask(API, "POST", f"/v1/topics/{topic}", [("Content-Type", "application/json")], json.dumps(data).encode())
    check_equal(answer.status, 202, f"publishing: {answer.body}")


def read(topic):
    return ask(API, "GET", f"/v1/topics/{topic}?from=0&limit=100").json()["events"]


def bridge(flotilla):
    return flotilla.admin("GET", "/api/v1/kafka").json()


def says_no_password(flotilla, password):
    said = flotilla.said() + json.dumps(bridge(flotilla)) + flotilla.admin("GET", "/metrics").body.decode()
    check(password not in said, f"the password is said: {said}")


class TlsListener(threading.Thread):
    """Greets over TLS, and counts what it hears of whoever trusts it."""

    def __init__(self, authority):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*authority.issue("broker", "IP:127.0.0.1"))
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]
        self.greeted, self.refused, self.heard = 0, 0, b""

    def run(self):
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            peer.settimeout(2)
            try:
                with self.context.wrap_socket(peer, server_side=True) as channel:
                    self.greeted += 1
                    self.heard += channel.recv(4096)
            except (ssl.SSLError, OSError):
                self.refused += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def account(**more):
    return {"user": "shop", "password": "'p@ss:w/rd'", **more}


@case
def a_broker_that_is_not_trusted_hears_nothing():
    with TlsListener(AUTHORITY) as broker:
        events = account(url=f"kafkas://{broker.address}", mechanism="PLAIN", ca=STRANGER.ca)
        with Flotilla(config(events), ADMIN) as flotilla:
            publish("orders", {"n": 1})
            wait_until(lambda: broker.refused >= 2, "it was tried, and again", PATIENCE * 2)
            wait_until(lambda: bridge(flotilla)["state"] == "waiting", "the state")
            wait_until(lambda: "certificate verify failed" in flotilla.said(), "the log says why", PATIENCE * 2)
            check_equal(broker.heard, b"", "what it heard")
            check_equal(flotilla.admin("GET", "/readyz").status, 200, "readiness")
            says_no_password(flotilla, "p@ss")
    with TlsListener(AUTHORITY) as broker:
        events["url"], events["ca"] = f"kafkas://{broker.address}", AUTHORITY.ca
        with Flotilla(config(events), ADMIN) as flotilla:
            wait_until(lambda: broker.heard, "a broker that is trusted hears something", PATIENCE * 2)
            says_no_password(flotilla, "p@ss")


@case
def a_broker_of_another_name_hears_nothing():
    with TlsListener(AUTHORITY) as broker:
        events = account(url=f"kafkas://{broker.address.replace('127.0.0.1', 'localhost')}", ca=AUTHORITY.ca)
        with Flotilla(config(events), ADMIN) as flotilla:
            wait_until(lambda: "certificate verify failed" in flotilla.said(), "the log says why", PATIENCE * 2)
            check_equal(broker.heard, b"", "what it heard")


@case
def a_file_that_is_missing_ends_the_start():
    try:
        with Flotilla(config(account(url="kafkas://127.0.0.1:9", ca="none.pem")), ADMIN):
            check(False, "it came up")
    except Failed as error:
        check("stores.events: the file of trusted certificates" in str(error), str(error))
        check("p@ss" not in str(error), "no password is said")


@case
def check_says_no_password():
    file = AUTHORITY.folder / "flotilla.yaml"
    for url in ("kafka://me:p%40ss@host", "kafka://me:p%40ss@host:9092?mechanism=PLAIN", "kafkas://me:p%zz@host:9092"):
        file.write_text(config({"url": url}))
        done = subprocess.run([PROGRAM, "check", str(file)], capture_output=True, text=True)
        check_equal(done.returncode, 1, f"{url}: {done.stdout + done.stderr}")
        check(not re.search("p%(40|zz)|p@ss", done.stdout + done.stderr), done.stderr)


def both_ways(name, events):
    """One event to Kafka, one from it."""
    topic, kafka = f"secure.{name.lower()}.{RUN}", Kafka(os.environ["FLOTILLA_TEST_KAFKA"])
    cluster().topic(topic, PARTITIONS)
    with Flotilla(config(events, topic), ADMIN) as flotilla:
        publish(topic, {"n": 1})
        found = kafka.read_all(topic, PARTITIONS, lambda messages: messages)
        check_equal([headers_of(message)["ce_type"] for message in found], [topic], f"what came to Kafka by {name}")
        kafka.send(topic, {"n": 2})
        kafka.flush()
        wait_until(lambda: [event["data"]["n"] for event in read(topic)] == [1, 2], f"what came from Kafka by {name}", PATIENCE * 3)
        check_equal(bridge(flotilla)["state"], "connected", "the state")
        if SECURE["password"] in str(events):
            says_no_password(flotilla, SECURE["password"])


def by_password(**more):
    return {"user": SECURE["user"], "password": f"'{SECURE['password']}'", **more}


@case
def events_go_both_ways_with_a_certificate():
    if SECURE is None:
        return "not without a real Kafka"
    both_ways("certificate", {"url": f"kafkas://{SECURE['tls']}", "ca": SECURE["ca"], "certificate": SECURE["certificate"],
                              "key": SECURE["key"]})


@case
def events_go_both_ways_with_a_password():
    if SECURE is None:
        return "not without a real Kafka"
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        both_ways(mechanism, by_password(url=f"kafkas://{SECURE['sasl_tls']}", mechanism=mechanism, ca=SECURE["ca"]))
    both_ways("without_tls", by_password(url=f"kafka://{SECURE['sasl']}"))


@case
def a_wrong_password_is_told_and_not_said():
    if SECURE is None:
        return "not without a real Kafka"
    events = by_password(url=f"kafkas://{SECURE['sasl_tls']}", ca=SECURE["ca"])
    events["password"] = "wr0ng-secret"
    with Flotilla(config(events, f"secure.wrong.{RUN}"), ADMIN) as flotilla:
        publish(f"secure.wrong.{RUN}", {"n": 1})
        wait_until(lambda: "uthentication" in bridge(flotilla).get("trouble", ""), "the trouble", PATIENCE * 2)
        check_equal(bridge(flotilla)["state"], "waiting", "the state")
        says_no_password(flotilla, "wr0ng")


@case
def a_certificate_that_is_asked_for_and_missing_is_told():
    if SECURE is None:
        return "not without a real Kafka"
    with Flotilla(config({"url": f"kafkas://{SECURE['tls']}", "ca": SECURE["ca"]}, f"secure.none.{RUN}"), ADMIN) as flotilla:
        publish(f"secure.none.{RUN}", {"n": 1})
        wait_until(lambda: bridge(flotilla)["state"] == "waiting" and bridge(flotilla).get("trouble"), "the trouble", PATIENCE * 2)


if __name__ == "__main__":
    if why := missing():
        print(f"SKIPPED  Kafka over TLS is NOT tested: {why}", flush=True)
        sys.exit(SKIPPED)
    certificates.needed()
    with AUTHORITY, STRANGER:
        sys.exit(main())
