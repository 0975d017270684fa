#!/usr/bin/env python3
"""The order service and the payment service of a choreographed order, as a tutorial writes them: handlers, `kafka.send` and
`@kafka.subscribe`. Each is a small program of its own; the four lines of `kafka` below are all that knows of Flotilla.

    guide_shop.py order|payment PORT API_PORT
"""
import http.server
import json
import sys
import threading
import urllib.request

ROLE, PORT, API = sys.argv[1], int(sys.argv[2]), f"http://127.0.0.1:{sys.argv[3]}"
HANDLERS = {}  # by method and path


class Kafka:
    @staticmethod
    def call(method, path, body):
        request = urllib.request.Request(API + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status

    def send(self, topic, event):
        self.call("POST", f"/v1/topics/{topic}", event)

    def subscribe(self, topic):
        def declare(handler):
            HANDLERS["POST", f"/events/{topic}"] = handler
            self.call("PUT", f"/v1/subscriptions/{ROLE}-{topic}", {
                "topic": topic, "deliver": f"POST {ROLE}-service/events/{topic}",
                "retry": {"attempts": 100, "backoff": "10ms..100ms"}})
            return handler
        return declare


class Row(dict):
    __getattr__ = dict.__getitem__


class Database:
    """In memory, and beside it in a file named by the port, so that it survives a kill."""

    def __init__(self):
        self.file = f"guide_shop_{PORT}.json"
        try:
            with open(self.file, encoding="utf-8") as file:
                self.rows = json.load(file)
        except FileNotFoundError:
            self.rows = {}
        self.lock = threading.Lock()

    def put(self, key, row):
        with self.lock:
            self.rows[key] = row
            text = json.dumps(self.rows)
            with open(self.file, "w", encoding="utf-8") as file:
                file.write(text)

    def create_order(self, data):
        order = Row(data, id=data["order_id"], status="pending")
        self.put(order.id, order)
        return order

    def update_order(self, key, status):
        self.put(key, {**self.rows[key], "status": status})


kafka, db = Kafka(), Database()


def charge_customer(user_id, total):
    if total > 10_000:
        raise ValueError("the card's limit is 10000")
    key = f"{user_id}/{total}"
    db.put(key, db.rows.get(key, 0) + 1)


def order_service():
    def create_order(order_data):
        order = db.create_order(order_data)

        # Publish event
        kafka.send("order.created", {
            "order_id": order.id,
            "user_id": order.user_id,
            "total": order.total
        })

        return {"order_id": order.id, "status": "pending"}

    HANDLERS["POST", "/orders"] = create_order
    HANDLERS["GET", "/orders"] = lambda _: db.rows

    @kafka.subscribe("payment.failed")
    def handle_payment_failed(event):
        # Compensate: Cancel order
        db.update_order(event['order_id'], status="canceled")


def payment_service():
    def charge(request):
        charge_customer("walk-in", request["amount"])
        return {"charged": request["amount"]}

    HANDLERS["POST", "/charge"] = charge
    HANDLERS["GET", "/charges"] = lambda _: db.rows

    @kafka.subscribe("order.created")
    def handle_order_created(event):
        try:
            charge_customer(event['user_id'], event['total'])
            kafka.send("payment.success", event)
        except ValueError:
            kafka.send("payment.failed", event)


class Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        handler = HANDLERS.get((self.command, self.path))
        if handler is None:
            status, answer = 404, {"error": "not found"}
        else:
            try:
                status, answer = 200, handler(json.loads(body or b"null"))
            except Exception as error:  # the platform tries again
                status, answer = 503, {"error": str(error)}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Requests)
    {"order": order_service, "payment": payment_service}[ROLE]()
    server.serve_forever()
