"""Services that keep a ledger: what was asked of them under which key, and what they did about it, in order.

Three grades of service, each on a port of its own, because a saga promises each of them something else:

  honest   keeps its first answer per Idempotency-Key and replays it
  barrier  keeps rows per (saga, step, action or undo) as well: an undo that comes first blocks its action
  naive    knows no keys: what it is asked it does, as often as it is asked. Its steps named in UNIQUE refuse a
           second one of the same order with 409, as a database with a unique index does

    POST   /STEP          {order, does}   the action
    POST   /STEP/undo     {order, does}   its undo; or DELETE /STEP/ORDER
    GET    /STEP/ORDER                    the status query: 200 or 404
    GET    /jobs/KEY                      what became of a 202 of `poll`
    GET    /ledger                        everything, see Ledger.report(); on any of the ports
    POST   /heal                          from now on nothing is blocked, confused or mute any more

`does` says how a request goes wrong. It is a list of turns, one per request of that key in the order of their
coming, and what is not named goes well; `slow:200+lose` does both. Before the effect: slow:MS, busy (429), error
(500), drop (the connection ends). After it: failed (500), lose (the connection ends). Later, where keys are known: accept:MS (202
and a callback), poll:MS (202 and a Location). These hold for all requests of the key: refuse (402), and until /heal
block (402), confused (501), mute (the effect, but never an answer).

Nothing here is written to a disk: the ledger is the one process that is not killed. Python 3.11, no packages.

    python3 tests/e2e/ledger.py --port PORT     honest there, barrier on the next port, naive on the one after
"""
import argparse
import asyncio
import collections
import hashlib
import json
import re
import time
import urllib.parse

GRADES = ("honest", "barrier", "naive")
UNIQUE = ("bill",)  # steps of the naive grade that refuse an order they know

KEY = re.compile(r'^"(sg1-([0-9A-HJKMNP-TV-Z]{26})-([0-9a-z.]+)-([acq])(?:-[0-9A-Za-z_]+)?)"$')
OP_OF_LETTER = {"a": "action", "c": "undo", "q": "status"}
UNTIL_HEALED = {"block": 402, "confused": 501, "mute": 200}
WORDS = {"slow", "busy", "error", "drop", "failed", "lose", "accept", "poll", "refuse", *UNTIL_HEALED}

# What an answer says to whoever asked (reference 1.9), as far as these services answer.
MEANING = {200: "ok", 202: "pending", 402: "refused", 409: "refused", 404: "refused", 429: "retry", 500: "unknown", 501: "config"}


class Request:
    """One request of a saga, as a service read it."""

    def __init__(self, grade, step, op, order, does, key, saga, epoch, digest, seq=None):
        self.seq = seq  # Saga-Seq, of a saga that holds locks
        self.grade, self.step, self.op, self.order, self.does = grade, step, op, order, does
        self.key, self.saga, self.epoch, self.digest = key, saga, epoch, digest
        self.turn = {}  # of this request: word -> number


class Entry:
    """What the ledger knows of one key."""

    def __init__(self, request):
        self.grade, self.saga, self.step, self.op, self.order = request.grade, request.saga, request.step, request.op, request.order
        self.seq = request.seq
        self.requests = 0
        self.effects = 0
        self.digests = []     # of the requests, each once: more than one is a fault of the sender
        self.answer = None    # the first one, (status, outcome header, body)
        self.at_work = False  # the first request is; others of the key wait for it
        self.job = False      # it was answered 202 and goes on

    def report(self):
        return {"grade": self.grade, "saga": self.saga, "step": self.step, "op": self.op, "order": self.order,
                "requests": self.requests, "effects": self.effects, "digests": self.digests, "seq": self.seq}


class Answer:
    def __init__(self, status, outcome="", body=None):
        self.status, self.outcome = status, outcome
        self.body = json.dumps(body if body is not None else {}).encode()

    @property
    def meaning(self):
        return "ok" if self.outcome == "null-undo" else MEANING[self.status]


class Ledger:
    """The services' data. No I/O: the server below says what came in and carries out what is said."""

    def __init__(self, clock=lambda: 0):
        self.clock = clock                             # milliseconds, for the events
        self.entries = {}                              # by key
        self.events = []                               # [what, key, epoch, detail, when] in the order of their happening
        self.done = collections.Counter()              # (grade, step, order) -> actions that took effect
        self.undone = collections.Counter()            # the same of undos
        self.blocked = set()                           # barrier: (saga, step) whose undo came first
        self.faults = []                               # requests that no engine should send
        self.healed = False

    def note(self, what, request, detail=""):
        self.events.append([what, request.key, request.epoch, detail, self.clock()])

    def arrive(self, request):
        """A request was read; what it will go through is in request.turn from here on."""
        entry = self.entries.setdefault(request.key, Entry(request))
        if (entry.saga, entry.step, entry.op) != (request.saga, request.step, request.op):
            self.faults.append(f"key {request.key} stands for {entry.saga} {entry.step} {entry.op} and for "
                               f"{request.saga} {request.step} {request.op}")
        turns = request.does.split()
        words = turns[entry.requests].split("+") if entry.requests < len(turns) else []
        for word in words + [word for word in turns if word == "refuse" or (word in UNTIL_HEALED and not self.healed)]:
            name, _, number = word.partition(":")
            if name not in WORDS:
                self.faults.append(f"the test asks for {word!r}, which the ledger does not know")
            request.turn[name] = int(number or 0)
        entry.requests += 1
        if request.digest not in entry.digests:
            entry.digests.append(request.digest)
        self.note("request", request)
        return entry

    def act(self, request):
        """The transaction of the service: what it decides, and its effect, at one instant."""
        entry = self.entries[request.key]
        for word, status in UNTIL_HEALED.items():
            if word in request.turn and word != "mute":
                return Answer(status, body={"error": word})
        if request.grade == "naive":
            return self._act(request, entry)
        if entry.answer is None:
            entry.answer = self._act(request, entry)
        return entry.answer

    def _act(self, request, entry):
        deed = (request.grade, request.step, request.order)
        standing = self.done[deed] - self.undone[deed]
        if request.op == "status":
            return Answer(200, body={"of": request.order}) if standing > 0 else Answer(404)
        if request.op == "undo":
            if request.grade == "barrier" and standing <= 0:
                self.blocked.add((request.saga, request.step))
            if standing <= 0:
                return Answer(404) if request.grade == "naive" else Answer(200, "null-undo")
            self.undone[deed] += 1
        else:
            if (request.saga, request.step) in self.blocked:
                return Answer(409, body={"error": "undone before it came"})
            if "refuse" in request.turn:
                return Answer(402, body={"error": "refused"})
            if request.grade == "naive" and request.step in UNIQUE and standing > 0:
                return Answer(409, body={"error": "the order is known"})
            self.done[deed] += 1
        entry.effects += 1
        self.note("effect", request)
        return Answer(200, body={"of": request.order})

    def report(self):
        return {"entries": {key: entry.report() for key, entry in self.entries.items()},
                "events": self.events, "faults": self.faults}


def parse(grade, method, target, fields, body):
    """A Request of what was read; a ValueError says what is wrong with it."""
    path = [urllib.parse.unquote(part) for part in target.split("/")[1:]]
    match = KEY.match(fields.get("idempotency-key", ""))
    if match is None or len(match[1]) >= 64:
        raise ValueError(f"Idempotency-Key is no quoted key of a saga: {fields.get('idempotency-key')!r}")
    key, saga, _, letter = match.groups()
    op = OP_OF_LETTER[letter]
    wanted = {"POST": "undo" if path[1:] == ["undo"] else "action", "DELETE": "undo", "GET": "status"}[method]
    if op != wanted:
        raise ValueError(f"{method} {target} carries the key of an {op}: {key}")
    said = {name: fields.get(name) for name in ("saga-id", "saga-step", "saga-op")}
    if said != {"saga-id": saga, "saga-step": path[0], "saga-op": op}:
        raise ValueError(f"{method} {target} with key {key} says {said}")
    attempt = re.fullmatch(r"(\d+)\.(\d+)", fields.get("saga-attempt", ""))
    if attempt is None:
        raise ValueError(f"Saga-Attempt is no EPOCH.N: {fields.get('saga-attempt')!r}")
    seq = fields.get("saga-seq")
    if seq is not None and not re.fullmatch(r"[1-9]\d*", seq):
        raise ValueError(f"Saga-Seq is no number: {seq!r}")
    content = json.loads(body) if body else {}
    order = content["order"] if method == "POST" else path[1]
    rendered = "\n".join([method, target, fields.get("content-type", ""), key, seq or ""]).encode() + b"\n" + body
    return Request(grade, path[0], op, order, content.get("does") or "", key, saga, int(attempt[1]),
                   hashlib.sha256(rendered).hexdigest()[:16], int(seq) if seq else None)


# --- the server -----------------------------------------------------------------------------------------

class Dropped(Exception):
    """The connection ends here, without an answer."""


class Server:
    def __init__(self, ledger):
        self.ledger = ledger
        self.at_work = {}   # key -> a future of the first request's end
        self.jobs = set()   # tasks of 202s
        self.lag = 0.0      # the longest time this process did not get to its work, in seconds

    async def run(self, port, ready=lambda: None):
        servers = [await asyncio.start_server(lambda r, w, g=grade: self.serve(g, r, w), "127.0.0.1", port + index,
                                              backlog=1024) for index, grade in enumerate(GRADES)]
        ready()
        await asyncio.gather(self.watch(), *(server.serve_forever() for server in servers))

    async def watch(self):
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.02)
            self.lag = max(self.lag, time.monotonic() - begun - 0.02)

    async def serve(self, grade, reader, writer):
        try:
            while True:
                method, target, fields, body = await read_request(reader)
                status, headers, answer = await self.answer(grade, method, target, fields, body, reader.at_eof)
                lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(answer)}", "Content-Type: application/json",
                         *(f"{name}: {value}" for name, value in headers.items())]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, Dropped):
            pass
        finally:
            writer.close()

    async def answer(self, grade, method, target, fields, body, has_left):
        if target == "/ledger":
            return 200, {}, json.dumps({**self.ledger.report(), "lag": self.lag, "jobs": len(self.jobs)}).encode()
        if target == "/heal":
            self.ledger.healed = True
            return 200, {}, b"{}"
        if target.startswith("/jobs/"):
            return self.job(target.removeprefix("/jobs/"))
        try:
            request = parse(grade, method, target, fields, body)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.ledger.faults.append(f"{method} {target}: {error}")
            return 400, {}, json.dumps({"error": str(error)}).encode()
        entry = self.ledger.arrive(request)
        early = await self.before(request, entry)
        answer = early or await self.transact(request, entry, fields.get("saga-callback"))
        if "lose" in request.turn or "mute" in request.turn:
            self.ledger.note("answer", request, "lost")
            raise Dropped
        if "failed" in request.turn:
            answer = Answer(500)
        self.ledger.note("answer", request, "lost" if has_left() else answer.meaning)
        headers = {"Saga-Outcome": answer.outcome} if answer.outcome else {}
        if answer.status == 202 and "poll" in request.turn:
            headers["Location"] = f"/jobs/{request.key}"
        return answer.status, headers, answer.body

    async def before(self, request, entry):
        """What goes wrong before the service does anything."""
        if "drop" in request.turn:
            self.ledger.note("answer", request, "lost")
            raise Dropped
        if "busy" in request.turn:
            return Answer(429)
        if "error" in request.turn:
            return Answer(500)
        return Answer(202) if entry.job else None

    async def transact(self, request, entry, callback):
        """At most one request of a key is at work in a service that knows keys; the others wait for its answer."""
        if request.grade != "naive":
            while request.key in self.at_work:
                await asyncio.shield(self.at_work[request.key])
            self.at_work[request.key] = asyncio.get_running_loop().create_future()
        try:
            if "slow" in request.turn and entry.answer is None:
                await asyncio.sleep(request.turn["slow"] / 1000)
            wait = next((request.turn[word] for word in ("accept", "poll") if word in request.turn), None)
            if wait is not None and entry.answer is None:
                entry.job = True
                task = asyncio.create_task(self.work(request, entry, wait / 1000, callback if "accept" in request.turn else None))
                self.jobs.add(task)
                task.add_done_callback(self.jobs.discard)
                return Answer(202)
            return self.ledger.act(request)
        finally:
            if request.grade != "naive":
                self.at_work.pop(request.key).set_result(None)

    async def work(self, request, entry, seconds, callback):
        """What a 202 promised, and the callback about it; repeated until somebody took it."""
        await asyncio.sleep(seconds)
        answer = self.ledger.act(request)
        entry.job = False
        if callback is None:
            return
        self.ledger.note("answer", request, answer.meaning)
        fields = {"Saga-Outcome": "refused" if answer.meaning == "refused" else "ok"}
        while (status := await post(callback, fields, answer.body)) is None or status >= 500:
            await asyncio.sleep(0.05)
        if status not in (204, 404):  # 404: the saga ended and is forgotten; nothing else is an answer to a callback
            self.ledger.faults.append(f"the callback of {request.key} was answered {status}")

    def job(self, key):
        entry = self.ledger.entries.get(key)
        if entry is None or (entry.answer is None and not entry.job):
            return 404, {}, b"{}"
        if entry.answer is None:
            return 202, {"Location": f"/jobs/{key}"}, b"{}"
        self.ledger.events.append(["answer", key, 0, entry.answer.meaning, self.ledger.clock()])
        return entry.answer.status, {"Saga-Outcome": entry.answer.outcome} if entry.answer.outcome else {}, entry.answer.body


async def read_request(reader):
    """(method, target, fields by lower-case name, body)"""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    if "chunked" in fields.get("transfer-encoding", ""):
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return method, target, fields, body


async def post(url, fields, body):
    """The status, or None if there was no answer."""
    parts = urllib.parse.urlsplit(url)
    writer = None
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
                     f"Content-Length: {len(body)}\r\nConnection: close\r\n{head}\r\n".encode() + body)
        return int((await reader.readuntil(b"\r\n")).split(b" ")[1])
    except (OSError, asyncio.IncompleteReadError):
        return None
    finally:
        if writer is not None:
            writer.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Services of three grades that keep a ledger.")
    arguments.add_argument("--port", type=int, required=True, help="of the first grade; the others are on the next two")
    try:
        asyncio.run(Server(Ledger(lambda: int(time.monotonic() * 1000))).run(arguments.parse_args().port, ready=lambda: print("ready", flush=True)))
    except KeyboardInterrupt:
        pass
