"""What the gateway answers: routes and their refusals, services that fail in every way, headers, framing,
upgrades, and clients that leave."""
import base64
import os
import socket
import sys

from kit import (PATIENCE, SLOWDOWN, Answer, Backend, Flotilla, Wire, ask, case, check, check_equal, check_problem, main,
                 wait_until)

GATEWAY, ADMIN, SERVICE, NOBODY = 21100, 21101, 21102, 21103
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
registry: {{ listen: 127.0.0.1:21104 }}
services:
  service: {{ url: "http://127.0.0.1:{SERVICE}", timeout: 5s, retry: {{ attempts: 1 }} }}
  slow:    {{ url: "http://127.0.0.1:{SERVICE}", timeout: 300ms, retry: {{ attempts: 1 }} }}
  kept:    {{ url: "http://127.0.0.1:{SERVICE}" }}
  dead:    {{ url: "http://127.0.0.1:{NOBODY}", timeout: 2s }}
  unknown: {{}}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    limits: {{ body: 64KiB }}
    routes:
      - GET /users/{{id}}: service
      - POST,DELETE /users/{{id}}: service
      - /echo/**: service
      - /slow/**: slow
      - /kept/**: kept
      - /dead/**: dead
      - /unknown/**: unknown
"""


def behave_as(backend, *answers):
    """The service gives these answers, the last one for ever."""
    backend.forget()
    queue = list(answers)
    backend.behave = lambda request: queue.pop(0) if len(queue) > 1 else queue[0]


@case
def a_route_takes_its_request(backend, _):
    backend.forget()
    backend.behave = backend.echo
    answer = ask(GATEWAY, "GET", "/users/123?x=1")
    check_equal((answer.status, answer.json()["target"]), (200, "/users/123?x=1"), "the answer")
    check(answer.get("Flotilla-Error") is None, "Flotilla-Error on a service's answer")


@case
def no_route_is_404(_, __):
    check_problem(ask(GATEWAY, "GET", "/nothing"), 404, "no-route")
    check_problem(ask(GATEWAY, "GET", "/users/1/2"), 404, "no-route")


@case
def another_method_is_405_with_allow(_, __):
    answer = ask(GATEWAY, "PUT", "/users/1")
    check_problem(answer, 405, "method-not-allowed")
    check_equal(sorted(answer.get("Allow", "").split(", ")), ["DELETE", "GET", "HEAD", "POST"], "Allow")


@case
def no_instance_is_503(_, __):
    problem = check_problem(ask(GATEWAY, "GET", "/unknown/x"), 503, "no-instance")
    check_equal((problem["service"], problem["effect"]), ("unknown", "none"), "service and effect")


@case
def a_refused_connection_is_502(_, __):
    problem = check_problem(ask(GATEWAY, "POST", "/dead/x", body=b"x"), 502, "connect-failure")
    check_equal((problem["service"], problem["effect"]), ("dead", "none"), "service and effect")


@case
def a_service_that_dies_before_its_head_is_502(backend, _):
    for after in (0, 5, 40):
        behave_as(backend, Answer(200, {"x": "y" * 50}, die_after=after))
        problem = check_problem(ask(GATEWAY, "POST", "/echo/x", body=b"x"), 502, "reset")
        check_equal((problem["service"], problem["effect"]), ("service", "unknown"), "service and effect")
        check_equal(len(backend.requests), 1, "a POST is not sent twice; requests")


@case
def a_service_that_dies_in_its_body_never_looks_whole(backend, _):
    for chunked in (False, True):
        for size, after in ((1000, 200), (100_000, 60_000), (1_000_000, 999_000)):
            behave_as(backend, Answer(200, b"z" * size, chunked=chunked, die_after=after))
            with Wire(GATEWAY) as wire:
                wire.request("GET", "/echo/x")
                answer = wire.response()
                if answer is None:
                    continue  # broken before the head: as clear
                check(answer.status == 502 or not answer.complete,
                      f"a broken answer of {size} bytes (chunked: {chunked}) looks whole: {answer.start}")
                check(answer.status == 502 or wire.ended(), "the connection stays open after a broken answer")


@case
def an_answer_until_close_reaches_the_client(backend, _):
    behave_as(backend, Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"u" * 5000, close=True))
    answer = ask(GATEWAY, "GET", "/echo/x")
    check_equal((answer.status, len(answer.body), answer.complete), (200, 5000, True), "the answer")


@case
def an_answer_that_is_not_http_is_502(backend, _):
    for raw in (b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"):
        behave_as(backend, Answer(raw=raw, close=True))
        with Wire(GATEWAY) as wire:
            wire.request("POST", "/echo/x", body=b"x")
            answer = wire.response()
            if answer is not None and answer.complete:
                check_problem(answer, 502, "bad-answer")
            else:
                check(raw.endswith(b"xyz\r\n"), f"no answer for {raw!r}")


@case
def what_a_service_adds_to_its_answer_is_never_the_next_answer(backend, _):
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    behave_as(backend, Answer(raw=poison), Answer(200, "clean"))
    check_equal(ask(GATEWAY, "GET", "/echo/1").body, b"ok", "the first answer")
    for _ in range(5):
        check_equal(ask(GATEWAY, "GET", "/echo/2").json(), "clean", "the next answer")


@case
def a_timeout_is_504(backend, _):
    behave_as(backend, Answer(hang=True))
    problem = check_problem(ask(GATEWAY, "POST", "/slow/x", body=b"x"), 504, "timeout")
    check_equal((problem["service"], problem["effect"]), ("slow", "unknown"), "service and effect")
    wait_until(lambda: backend.abandoned == 1, "the connection of the call that timed out is closed")


@case
def a_body_over_the_limit_is_413(backend, _):
    backend.forget()
    backend.behave = backend.echo
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/echo/x", [("Content-Length", "65537")])
        check_problem(wire.response(), 413, "too-large")
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/echo/x", [("Transfer-Encoding", "chunked")])
        for _ in range(40):
            wire.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        check_problem(wire.response(), 413, "too-large")
    check(all(len(request.body) <= 65536 for request in backend.requests), "a body over the limit went through")
    answer = ask(GATEWAY, "POST", "/echo/x", body=b"x" * 65536)
    check_equal(answer.status, 200, "a body at the limit")


@case
def a_malformed_body_is_400_and_closes(backend, _):
    backend.forget()
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/echo/x", [("Transfer-Encoding", "chunked")])
        wire.send(b"5\r\nhelloXX\r\n")
        check_problem(wire.response(), 400, "malformed")
        check(wire.ended(), "the connection stays open")
    check(not backend.requests, "the service got a whole request")


@case
def reserved_headers_are_stripped(backend, _):
    backend.forget()
    backend.behave = lambda request: Answer(200, "x", fields=[("Flotilla-Error", "timeout"), ("Flotilla-Missing", "a")])
    answer = ask(GATEWAY, "GET", "/echo/x", [
        ("Saga-Id", "1"), ("Event-Id", "2"), ("Flotilla-Error", "3"), ("Flotilla-Principal", "4"), ("X-Kept", "5")])
    check(answer.get("Flotilla-Error") is None, "a service can forge Flotilla-Error")
    got = backend.requests[0]
    for name in ("Saga-Id", "Event-Id", "Flotilla-Error", "Flotilla-Principal"):
        check(got.get(name) is None, f"{name} came through from outside")
    check_equal(got.get("X-Kept"), "5", "an ordinary header")


@case
def forwarded_headers_say_who_asked(backend, _):
    backend.forget()
    backend.behave = backend.echo
    ask(GATEWAY, "GET", "/echo/x", [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"),
                                    ("X-Real-IP", "6.6.6.6"), ("X-Forwarded-Host", "evil"), ("Forwarded", "for=6.6.6.6")])
    got = backend.requests[0]
    check_equal(got.all("X-Forwarded-For"), ["127.0.0.1"], "X-Forwarded-For")
    check_equal(got.all("X-Real-IP"), ["127.0.0.1"], "X-Real-IP")
    check_equal(got.all("X-Forwarded-Proto"), ["http"], "X-Forwarded-Proto")
    check_equal(got.all("X-Forwarded-Host"), ["a.example"], "X-Forwarded-Host")
    check_equal(got.all("X-Forwarded-Port"), [str(GATEWAY)], "X-Forwarded-Port")
    check(got.get("Forwarded") is None, "Forwarded came through")
    check_equal(got.get("Host"), f"127.0.0.1:{SERVICE}", "Host")


@case
def fields_of_the_connection_stay_there(backend, _):
    backend.forget()
    backend.behave = lambda request: Answer(200, "x", fields=[("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5")])
    answer = ask(GATEWAY, "GET", "/echo/x", [
        ("Connection", "X-Mine, keep-alive, Authorization, X-Forwarded-For"), ("X-Mine", "1"), ("Keep-Alive", "timeout=1"),
        ("TE", "trailers"), ("Proxy-Authorization", "Basic x"), ("Authorization", "Bearer y"), ("Upgrade", "h2c")])
    got = backend.requests[0]
    for name in ("X-Mine", "Keep-Alive", "Proxy-Authorization", "Upgrade"):
        check(got.get(name) is None, f"{name} came through")
    check_equal(got.get("Authorization"), "Bearer y", "Authorization, which Connection may not take away")
    check_equal(got.get("X-Forwarded-For"), "127.0.0.1", "X-Forwarded-For, which Connection may not take away")
    check(answer.get("X-Hop") is None and answer.get("Keep-Alive") is None, "the service's came through")


@case
def a_client_that_waits_for_100_gets_it(backend, _):
    backend.forget()
    backend.behave = backend.echo
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/echo/x", [("Content-Length", "5"), ("Expect", "100-continue")])
        check_equal(wire.read_head().status, 100, "the interim answer")
        wire.send(b"hello")
        check_equal((wire.response().status, backend.requests[0].body), (200, b"hello"), "answer and body")
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/echo/x", [("Content-Length", "99999"), ("Expect", "100-continue")])
        check_equal(wire.read_head().status, 413, "too large is said before the body is asked for")
    check_problem(ask(GATEWAY, "POST", "/echo/x", [("Expect", "a miracle")], b"x"), 417, "unsupported")


@case
def head_has_a_length_and_no_body(backend, _):
    backend.forget()
    backend.behave = lambda request: Answer(200, b"0123456789")
    with Wire(GATEWAY) as wire:
        for _ in range(3):
            wire.request("HEAD", "/users/1")
            answer = wire.response("HEAD")
            check_equal((answer.status, answer.get("Content-Length")), (200, "10"), "HEAD")
        wire.request("HEAD", "/nothing")
        check_equal(wire.response("HEAD").status, 404, "HEAD of what is not there")
        wire.request("GET", "/users/1")
        check_equal(wire.response().body, b"0123456789", "the next answer on the connection")


@case
def pipelined_requests_are_answered_in_order(backend, _):
    backend.forget()
    backend.behave = lambda request: Answer(200, request.target, delay=0.05 if request.target.endswith("0") else 0)
    with Wire(GATEWAY) as wire:
        wire.send(b"".join(b"GET /echo/%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(20)))
        got = [wire.response().json() for _ in range(20)]
    check_equal(got, [f"/echo/{i}" for i in range(20)], "the answers")


@case
def a_websocket_is_a_tunnel(_, __):
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_server(("127.0.0.1", NOBODY)) as listener, Wire(GATEWAY) as wire:
        listener.settimeout(PATIENCE)
        wire.request("GET", "/dead/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                         ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", key)])
        service, _ = listener.accept()
        with service:
            service.settimeout(PATIENCE)
            head = b""
            while b"\r\n\r\n" not in head:
                head += service.recv(65536)
            check(b"upgrade: websocket" in head.lower() and key.encode() in head, f"the handshake: {head!r}")
            service.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            b"Sec-WebSocket-Accept: abc\r\n\r\nearly")
            answer = wire.read_head()
            check_equal((answer.status, answer.get("Upgrade"), answer.get("Sec-WebSocket-Accept")),
                        (101, "websocket", "abc"), "the answer")
            check_equal(wire.read_exactly(5), b"early", "what the service said at once")
            for size in (1, 1000, 200_000):
                payload = os.urandom(size)
                wire.send(payload)
                got = b""
                while len(got) < size:
                    got += service.recv(65536)
                check(got == payload, f"{size} bytes to the service differ")
                service.sendall(got)
                check(wire.read_exactly(size) == payload, f"{size} bytes back differ")
        check(wire.ended(), "the client is not told that the service left")


@case
def a_websocket_that_is_refused_is_an_ordinary_answer(backend, _):
    behave_as(backend, Answer(403, "no"))
    answer = ask(GATEWAY, "GET", "/echo/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                              ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "eA==")])
    check_equal((answer.status, answer.json()), (403, "no"), "the answer")


@case
def a_client_that_leaves_ends_its_call(backend, flotilla):
    behave_as(backend, Answer(hang=True))
    with Wire(GATEWAY) as wire:
        wire.request("GET", "/echo/x")
        wait_until(lambda: backend.requests, "the request arrives")
    wait_until(lambda: backend.abandoned == 1, "the service sees its caller leave", timeout=3 * SLOWDOWN)
    wait_until(lambda: flotilla.metric("flotilla_requests_total", **{"class": "cancelled"}), "it is counted as cancelled")


@case
def a_kept_connection_that_the_service_closed_is_no_error(backend, _):
    """The classic race of keep-alive: a service closes after its answer, and the next request must not suffer."""
    backend.forget()
    backend.behave = lambda request: Answer(200, "x", close=len(backend.requests) % 3 == 0)
    with Wire(GATEWAY) as wire:
        for i in range(300):
            wire.request("GET", f"/kept/{i}")
            check_equal(wire.response().status, 200, f"answer {i}")


@case
def an_encoded_path_is_forwarded_as_it_was_matched(backend, _):
    backend.forget()
    backend.behave = backend.echo
    for sent, wanted in (("/echo/a%2Fb", "/echo/a%2Fb"), ("/echo/%41", "/echo/A"), ("/echo/x/../y", "/echo/y")):
        check_equal(ask(GATEWAY, "GET", sent).json()["target"], wanted, sent)
    check_problem(ask(GATEWAY, "GET", "/echo/../nothing"), 404, "no-route")


if __name__ == "__main__":
    with Backend(SERVICE) as service, Flotilla(CONFIG, ADMIN) as program:
        sys.exit(main(service, program))
