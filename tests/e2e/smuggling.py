"""Replays the HTTP corpus against the gateway: what must be refused is refused with exactly its status, closed,
and never reaches the service; what is taken reaches it once, soundly framed."""
import re
import sys

from kit import ROOT, Backend, Flotilla, Wire, case, check, main, wait_until

GATEWAY, ADMIN, SERVICE = 21000, 21001, 21002
CORPUS = ROOT / "flotilla" / "http" / "testdata" / "smuggling.txt"
CONFIG = f"""
admin: {{ listen: 127.0.0.1:{ADMIN} }}
services:
  service: {{ url: "http://127.0.0.1:{SERVICE}", retry: {{ attempts: 1 }} }}
gateways:
  public:
    listen: 127.0.0.1:{GATEWAY}
    routes:
      - /**: service
"""
# Sound requests that have no path, so no route takes them.
UNROUTED = {"options-star", "absolute-options-no-path"}
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}


def unescape(text):
    """The corpus writes bytes as its head says."""
    out, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode("latin-1")
            at += 1
        elif text[at + 1] == "x":
            out += bytes.fromhex(text[at + 2:at + 4])
            at += 4
        elif text[at + 1] == "{":
            count, start = re.match(r"(\d+)\*", text[at + 2:]), at
            at = at + 2 + count.end()
            inner, depth = at, 1
            while depth:
                if text.startswith("\\{", at):
                    depth += 1
                    at += 1
                elif text[at] == "}":
                    depth -= 1
                at += 1
            check(at > start, "a repetition ends")
            out += unescape(text[inner:at - 1]) * int(count.group(1))
        else:
            out += ESCAPES[text[at + 1]]
            at += 2
    return out


def corpus():
    for line in CORPUS.read_bytes().decode("latin-1").split("\n"):
        if line and not line.startswith("#"):
            name, expectation, request = line.split(" | ", 2)
            yield name, expectation.split(), unescape(request)


def refused(name, status, request, backend):
    with Wire(GATEWAY) as wire:
        wire.send(request)
        answer = wire.response("GET")
        if answer is None:
            return f"{name}: closed without an answer, wanted {status}"
        if answer.status != status:
            return f"{name}: {answer.status}, wanted {status}"
        if not answer.get("Flotilla-Error"):
            return f"{name}: {answer.status} without Flotilla-Error"
        if not wire.ended():
            return f"{name}: not closed, or more than one answer"
    return f"{name}: reached the service as {backend.paths()}" if backend.requests else None


def taken(name, expectation, request, backend):
    method = request.lstrip().split(b" ")[0].decode("latin-1")
    wanted = int(expectation[2]) if len(expectation) > 2 else 0
    requests = 2 if name == "pipelined" else 1
    with Wire(GATEWAY) as wire:
        wire.send(request)
        for _ in range(requests):
            answer = wire.response(method)
            if answer is None:
                return f"{name}: closed without an answer"
            if name in UNROUTED:
                return None if answer.get("Flotilla-Error") == "no-route" else f"{name}: {answer.status}"
            if answer.get("Flotilla-Error"):
                return f"{name}: {answer.status} {answer.get('Flotilla-Error')}"
    if len(backend.requests) != requests:
        return f"{name}: reached the service {len(backend.requests)} times: {backend.paths()}"
    if len(backend.requests[0].body) != wanted:
        return f"{name}: a body of {len(backend.requests[0].body)} bytes, wanted {wanted}"
    return None


@case
def the_corpus(backend):
    faults, counts = [], {"refused": 0, "taken": 0, "waiting": 0}
    for name, expectation, request in corpus():
        backend.forget()
        if expectation[0] == "ok":
            counts["taken"] += 1
            fault = taken(name, expectation, request, backend)
        elif expectation[0] == "more":
            counts["waiting"] += 1
            with Wire(GATEWAY) as wire:
                wire.send(request)
                wire.socket.shutdown(1)  # no more will come: at most an error is answered
                answer = wire.response("GET")
                fault = f"{name}: answered {answer.status}" if answer and answer.status < 400 else None
                fault = f"{name}: reached the service whole" if backend.requests else fault
        else:
            counts["refused"] += 1
            fault = refused(name, int(expectation[0]), request, backend)
        if backend.insane:
            fault = f"{fault or name}: the service got {backend.insane.pop()}"
        if fault:
            faults.append(fault)
    check(counts["refused"] > 100 and counts["taken"] > 50, f"the corpus was not read: {counts}")
    check(not faults, f"{len(faults)} of {sum(counts.values())}:\n  " + "\n  ".join(faults))
    return str(counts)


@case
def the_service_still_answers(backend):
    backend.forget()
    with Wire(GATEWAY) as wire:
        wire.request("GET", "/after")
        check(wire.response().status == 200, "a plain request after all that")
    wait_until(lambda: backend.paths() == ["/after"], "it arrived")


if __name__ == "__main__":
    with Backend(SERVICE) as service, Flotilla(CONFIG, ADMIN):
        sys.exit(main(service))
