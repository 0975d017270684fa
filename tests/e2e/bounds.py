"""Limits hold: memory per idle connection, slow and endless senders, uploads that are larger than memory may grow.

FLOTILLA_E2E_CONNECTIONS (2000) and FLOTILLA_E2E_UPLOAD_MIB (256) make it a heavier test: 16000 and 1024."""
import os
import resource
import sys
import time

from kit import (PATIENCE, SANITIZED, SLOWDOWN, Answer, Backend, Flotilla, Wire, ask, case, check, check_equal,
                 check_problem, main, wait_until)

GATEWAY, ADMIN, SERVICE = 21600, 21601, 21610
CONNECTIONS = int(os.environ.get("FLOTILLA_E2E_CONNECTIONS", "2000"))
UPLOAD = int(os.environ.get("FLOTILLA_E2E_UPLOAD_MIB", "256")) << 20
PER_CONNECTION = 2048  # bytes of resident memory, allocator and tables included
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
services:
  service: {{ url: "http://127.0.0.1:{SERVICE}", timeout: 30s }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    limits: {{ body: 2GiB, header_timeout: 1s, body_timeout: 1s, idle: 60s }}
    routes:
      - /**: service
"""


def descriptors(count):
    """Allows this process (and the program, which inherits it) that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
    check(min(count, hard) >= count, f"ulimit -n allows {hard} descriptors, {count} are needed")


def check_memory(grown, limit, message):
    """A sanitizer's shadow and quarantine would be measured, not the program."""
    check(SANITIZED or grown < limit, message)


@case
def idle_connections_cost_little(backend, flotilla):
    wires = []
    try:
        for _ in range(50):  # what the first connections cost once: pools, buffers
            wires.append(Wire(GATEWAY))
            wires[-1].request("GET", "/x")
            check_equal(wires[-1].response().status, 200, "an answer")
        before = flotilla.rss()
        for _ in range(CONNECTIONS):
            wires.append(Wire(GATEWAY))
            wires[-1].request("GET", "/x")
            check_equal(wires[-1].response().status, 200, "an answer")
        wait_until(lambda: flotilla.metric("flotilla_connections_open") >= CONNECTIONS, "they are counted as open")
        each = (flotilla.rss() - before) / CONNECTIONS
        wires[0].request("GET", "/x")
        check_equal(wires[0].response().status, 200, "the oldest connection still works")
    finally:
        for wire in wires:
            wire.close()
    check_memory(each, PER_CONNECTION, f"{each:.0f} bytes of resident memory per idle connection")
    wait_until(lambda: flotilla.metric("flotilla_connections_open") < 50, "they are gone again")
    return f"{each:.0f} bytes each of {CONNECTIONS}"


@case
def a_head_that_drips_is_408(backend, flotilla):
    begun = time.monotonic()
    with Wire(GATEWAY) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        wire.socket.settimeout(0.1)
        while time.monotonic() < begun + 5:
            wire.send(b"X: y\r\n")  # a byte now and then does not extend the deadline
            try:
                if not wire.fill() or b"\r\n\r\n" in wire.buffer:
                    break
            except TimeoutError:
                pass
        wire.socket.settimeout(PATIENCE)
        check_problem(wire.response(), 408, "slow-request")
        check(wire.ended(), "the connection stays open")
    took = time.monotonic() - begun
    check(0.9 < took < 3 * SLOWDOWN, f"it took {took:.1f} s, header_timeout is 1 s")
    check(flotilla.metric("flotilla_slow_requests_total") >= 1, "it is not counted")


@case
def a_body_that_stops_is_408(backend, _):
    with Wire(GATEWAY) as wire:
        wire.request("POST", "/x", [("Content-Length", "1000")])
        wire.send(b"half")
        check_problem(wire.response(), 408, "slow-request")
        check(wire.ended(), "the connection stays open")


@case
def a_connection_that_says_nothing_is_left_alone_and_closed_silently(backend, _):
    with Wire(GATEWAY) as wire, Wire(GATEWAY) as other:
        other.send(b"GET / HT")
        check_problem(other.response(), 408, "slow-request")
        wire.request("GET", "/x")
        check_equal(wire.response().status, 200, "a connection older than header_timeout that had said nothing")


@case
def an_endless_head_is_431(backend, flotilla):
    before = flotilla.rss()
    backend.forget()
    with Wire(GATEWAY) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        for _ in range(160):
            wire.send(b"a" * 65536)  # 10 MiB, unless it is refused before
        answer = wire.response()
        if answer is not None:  # a reset may overtake the answer when so much is sent behind it
            check_problem(answer, 431, "too-large")
    grown = flotilla.rss() - before
    check_memory(grown, 1 << 20, f"it cost {grown} bytes")
    with Wire(GATEWAY) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40000 + b"\r\n\r\n")
        check_problem(wire.response(), 431, "too-large")
    check(not backend.requests, "it reached the service")


def upload(backend, flotilla, chunked):
    backend.forget()
    piece = b"u" * (1 << 20)
    before, most = flotilla.rss(), 0
    with Wire(GATEWAY, timeout=60 * SLOWDOWN) as wire:
        framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(UPLOAD))
        wire.request("POST", "/upload", [framing])
        for i in range(UPLOAD >> 20):
            wire.send((b"%x\r\n%s\r\n" % (len(piece), piece)) if chunked else piece)
            if i % 16 == 0:
                most = max(most, flotilla.rss() - before)
        if chunked:
            wire.send(b"0\r\n\r\n")
        check_equal(wire.response().status, 200, "the answer")
    check_equal(backend.body_bytes, UPLOAD, "bytes that arrived")
    check_memory(most, 8 << 20, f"the program grew by {most >> 20} MiB")
    return most


@case
def a_large_upload_streams(backend, flotilla):
    grown = max(upload(backend, flotilla, chunked) for chunked in (False, True))
    return f"{UPLOAD >> 20} MiB, twice; grown by {grown >> 10} KiB"


@case
def a_service_that_reads_slowly_slows_the_sender(backend, flotilla):
    """Back pressure: what the service does not read is not collected."""
    import socket
    with socket.create_server(("127.0.0.1", SERVICE + 1)):  # accepts in the kernel, never reads
        flotilla.file.write_text(CONFIG.replace(f":{SERVICE}", f":{SERVICE + 1}"))
        check_equal(flotilla.admin("POST", "/api/v1/config/reload").status // 100, 2, "the reload")
        before, sent = flotilla.rss(), 0
        with Wire(GATEWAY) as wire:
            wire.request("POST", "/upload", [("Content-Length", str(1 << 30))])
            wire.socket.settimeout(0.5)
            try:
                while sent < 256 << 20:
                    sent += wire.socket.send(b"u" * 65536)
            except TimeoutError:
                pass
            grown = flotilla.rss() - before
        check(sent < 64 << 20, f"{sent >> 20} MiB were taken that nobody reads")
        check_memory(grown, 8 << 20, f"the program grew by {grown >> 20} MiB")
    flotilla.file.write_text(CONFIG)
    check_equal(flotilla.admin("POST", "/api/v1/config/reload").status // 100, 2, "the reload")
    wait_until(lambda: ask(GATEWAY, "GET", "/x").status == 200, "all is well again")


@case
def a_client_that_reads_slowly_slows_the_service(backend, flotilla):
    size = 64 << 20
    backend.behave = lambda request: Answer(200, b"d" * size)
    try:
        before = flotilla.rss()
        with Wire(GATEWAY) as wire:
            wire.request("GET", "/download")
            answer = wire.read_head()
            check_equal(answer.status, 200, "the answer")
            wait_until(lambda: stalled(flotilla), "nothing moves any more")
            grown = flotilla.rss() - before
            check_memory(grown, 8 << 20, f"the program grew by {grown >> 20} MiB")
            check_equal(len(wire.read_exactly(size)), size, "the whole answer, once it is read")
    finally:
        backend.behave = backend.echo


def stalled(flotilla):
    """True when the program's bytes sent do not grow between two looks."""
    first = flotilla.metric("flotilla_response_bytes_total")
    used = cpu(flotilla)
    time.sleep(0.2)
    return first == flotilla.metric("flotilla_response_bytes_total") and cpu(flotilla) - used < 3


def cpu(flotilla):
    """Clock ticks the program has used."""
    fields = open(f"/proc/{flotilla.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    descriptors(CONNECTIONS + 1000)
    with Backend(SERVICE) as service, Flotilla(CONFIG, ADMIN) as program:
        sys.exit(main(service, program))
