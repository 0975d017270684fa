"""What the end-to-end scripts share: the program, a service that misbehaves on demand, clients, and checks.

A script registers its cases with @case and ends in main(); it exits with 1 if one of them failed. Nothing here
sleeps for luck: wait_until() waits for a condition and fails when it does not come.
"""
import asyncio
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FLOTILLA", str(ROOT / "build" / "flotilla"))
# Set by CTest for a program built with a sanitizer: it is slower, and its memory is not its own measure.
SANITIZED = os.environ.get("FLOTILLA_SANITIZED", "") != ""
SLOWDOWN = 5 if SANITIZED else 1  # what a bound in seconds is multiplied with
PATIENCE = 10.0 * SLOWDOWN  # seconds until something that should happen soon counts as not happening


# --- checks -------------------------------------------------------------------------------------------

class Failed(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failed(message)


def check_equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def wait_until(condition, what, timeout=PATIENCE):
    """Polls until condition() is true, and gives that value back."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(0.005)


_cases = []


def case(function):
    _cases.append(function)
    return function


def main(*fixtures):
    """Runs the cases (those named on the command line, else all) with what the fixtures give them."""
    failed = []
    chosen = [function for function in _cases if not sys.argv[1:] or function.__name__ in sys.argv[1:]]
    for function in chosen:
        begun = time.monotonic()
        try:
            said = function(*fixtures)
            print(f"ok      {function.__name__} ({time.monotonic() - begun:.1f} s){': ' + said if said else ''}", flush=True)
        except Exception as error:  # a case that breaks must not hide the others
            failed.append(function.__name__)
            print(f"FAILED  {function.__name__}: {error}", flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
    print(f"{len(chosen) - len(failed)} ok, {len(failed)} failed")
    return 1 if failed or not chosen else 0


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- HTTP, by hand ------------------------------------------------------------------------------------

class Message:
    """A head, parsed: first line, fields in order, body."""

    def __init__(self, head, body=b"", complete=True):
        lines = head.decode("latin-1").split("\r\n")
        self.start = lines[0]
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        self.body = body
        self.complete = complete  # False: the connection ended before the body did

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    def get(self, name, default=None):
        return next((value for key, value in self.fields if key.lower() == name.lower()), default)

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)


class Wire:
    """One connection, byte by byte."""

    def __init__(self, port, timeout=PATIENCE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Sends; a peer that has closed already is no error, its answer may be waiting."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def request(self, method, path, fields=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", "Host: a.example", *(f"{name}: {value}" for name, value in fields)]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def fill(self):
        """More bytes into the buffer; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return Message(head)

    def read_exactly(self, size):
        pieces, missing = [], size
        while missing and (self.buffer or self.fill()):
            pieces.append(self.buffer[:missing])
            self.buffer = self.buffer[missing:]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def read_line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def response(self, method="GET"):
        """The next final answer; None if the connection ended before one."""
        answer = self.read_head()
        while answer is not None and answer.status in (100, 102, 103):
            answer = self.read_head()
        if answer is None or method == "HEAD" or answer.status in (101, 204, 304):
            return answer
        if answer.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                line = self.read_line()
                size = int(line, 16) if line else None
                if size is None:
                    answer.complete = False
                    return answer
                data = self.read_exactly(size)
                answer.body += data
                if len(data) < size or self.read_exactly(2) != b"\r\n":
                    answer.complete = False
                    return answer
                if size == 0:
                    return answer
        length = answer.get("Content-Length")
        if length is None:
            while self.fill():
                pass
            answer.body, self.buffer = self.buffer, b""
            return answer
        answer.body = self.read_exactly(int(length))
        answer.complete = len(answer.body) == int(length)
        return answer

    def ended(self):
        """Waits for the peer to close; True if nothing came before that."""
        return not self.buffer and not self.fill()


def ask(port, method, path, fields=(), body=b"", timeout=PATIENCE):
    """One request on a connection of its own."""
    with Wire(port, timeout) as wire:
        wire.request(method, path, fields, body)
        answer = wire.response(method)
        check(answer is not None, f"{method} {path}: no answer, the connection was closed")
        return answer


def check_problem(answer, status, reason):
    """The answer is ours, and of the shape every answer of ours has."""
    check_equal((answer.status, answer.get("Flotilla-Error")), (status, reason), "status and Flotilla-Error")
    check_equal(answer.get("Content-Type"), "application/problem+json", "Content-Type")
    problem = answer.json()
    check_equal(problem["type"], f"urn:flotilla:{reason}", "type")
    check_equal((problem["status"], problem["reason"]), (status, reason), "status and reason of the problem")
    check(problem.get("title") and problem.get("detail"), f"the problem has no title or detail: {problem}")
    return problem


class AsyncClient:
    """A keep-alive client for load; it opens a new connection when the last answer said so."""

    def __init__(self, port):
        self.port = port
        self.streams = None

    async def request(self, method, path, body=b"", fields=""):
        """(status, Message, seconds); a connection that breaks raises ConnectionError."""
        begun = time.monotonic()
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n{fields}{length}\r\n".encode() + body)
            message = Message((await reader.readuntil(b"\r\n\r\n"))[:-4])
            if message.get("Transfer-Encoding") == "chunked":
                size = -1
                while size != 0:
                    size = int(await reader.readuntil(b"\r\n"), 16)
                    message.body += (await reader.readexactly(size + 2))[:-2]
            elif message.status != 204:
                message.body = await reader.readexactly(int(message.get("Content-Length", "0")))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {type(error).__name__} {error}") from error
        except asyncio.CancelledError:
            self.close()
            raise
        if message.get("Connection", "").lower() == "close":
            self.close()
        return message.status, message, time.monotonic() - begun

    def close(self):
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


# --- the service --------------------------------------------------------------------------------------

class Answer:
    """What a Backend does with a request. Order: delay, hang, head, body up to `die_after`, the rest."""

    def __init__(self, status=200, body=None, fields=(), delay=0.0, hang=False, chunked=False, die_after=None,
                 close=False, raw=None):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.fields = list(fields)
        self.delay = delay
        self.hang = hang            # never answers; ends when the caller leaves
        self.chunked = chunked
        self.die_after = die_after  # bytes of the answer, head included, after which the connection is reset
        self.close = close          # closes after the answer, without having said so
        self.raw = raw              # these bytes instead of an answer

    def bytes(self, head_only):
        if self.raw is not None:
            return self.raw
        if not any(name.lower() == "content-type" for name, _ in self.fields):
            self.fields.append(("Content-Type", "application/json"))
        framing = ("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", str(len(self.body)))
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{n}: {v}" for n, v in [*self.fields, framing])]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if head_only:
            return head
        if not self.chunked:
            return head + self.body
        half = len(self.body) // 2
        pieces = [piece for piece in (self.body[:half], self.body[half:]) if piece]
        return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Backend:
    """A service on a port of its own, in a thread of its own. `behave` maps a request to an Answer."""

    KEPT_BODY = 1 << 20  # larger bodies are counted, not kept

    def __init__(self, port, name="service", behave=None):
        self.port = port
        self.name = name
        self.behave = behave or self.echo
        self.requests = []       # Message, in order of arrival
        self.health_checks = 0   # GET /health, answered with `health`
        self.health = 200
        self.abandoned = 0       # callers that left before they were answered
        self.insane = []         # requests whose framing no gateway should send
        self.body_bytes = 0      # of the body that is being read
        self.connections = 0
        self._writers = set()
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()

    def echo(self, request):
        return Answer(200, {"service": self.name, "method": request.method, "target": request.target})

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def open(self):
        """Listens (again)."""
        async def listen():
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self._run(listen())

    def kill(self):
        """As if the process had died: the port refuses, every connection is reset."""
        async def drop():
            if self._server is not None:
                self._server.close()
                self._server = None
            for writer in list(self._writers):
                writer.transport.abort()
        self._run(drop())

    def stop(self):
        self.kill()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def paths(self):
        return [request.target for request in self.requests]

    def forget(self):
        self.requests = []
        self.abandoned = 0
        self.connections = 0

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.LimitOverrunError:
            self.insane.append("a head of more than 64 KiB")
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                self.insane.append(f"an unfinished head: {end.partial[:80]!r}")
            return False
        request = Message(head[:-4])
        if request.target == "/health":
            self.health_checks += 1
            writer.write(Answer(self.health, {"health": self.health}).bytes(False))
            return True
        request.body = await self._read_body(reader, request)
        self.requests.append(request)
        answer = self.behave(request)
        if answer.delay or answer.hang:
            # The caller says nothing until it is answered, so whatever ends this read is its leaving.
            gone = asyncio.ensure_future(reader.read(1))
            done, _ = await asyncio.wait([gone], timeout=None if answer.hang else answer.delay)
            if done:
                self.abandoned += 1
                return False
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        data = answer.bytes(request.method == "HEAD")
        if answer.die_after is not None:
            writer.write(data[:answer.die_after])
            await writer.drain()
            # Let what was written be read before the reset overtakes it.
            await asyncio.sleep(0.05)
            writer.transport.abort()
            return False
        writer.write(data)
        await writer.drain()
        return not answer.close

    async def _read_body(self, reader, request):
        lengths, codings = request.all("Content-Length"), request.all("Transfer-Encoding")
        if len(lengths) + len(codings) > 1 or any(coding != "chunked" for coding in codings):
            self.insane.append(f"framing of {request.start}: {lengths} {codings}")
        kept, self.body_bytes = [], 0

        async def take(size):
            while size:
                data = await reader.read(min(size, 65536))
                if not data:
                    raise asyncio.IncompleteReadError(b"", size)
                size -= len(data)
                self.body_bytes += len(data)
                if self.body_bytes <= self.KEPT_BODY:
                    kept.append(data)

        if codings:
            while True:
                line = (await reader.readuntil(b"\r\n"))[:-2]
                if not line or line.strip(b"0123456789abcdefABCDEF"):
                    self.insane.append(f"chunk size {line!r}")
                await take(int(line, 16))
                if int(line, 16) == 0:
                    while await reader.readuntil(b"\r\n") != b"\r\n":
                        pass
                    return b"".join(kept)
                await reader.readexactly(2)
        if lengths:
            await take(int(lengths[0]))
        return b"".join(kept)


# --- the program --------------------------------------------------------------------------------------

class Flotilla:
    """`flotilla up` of a configuration in a folder of its own. The admin port says when it is ready."""

    def __init__(self, config, admin_port, environment=None):
        self.admin_port = admin_port
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-e2e-")
        self.file = pathlib.Path(self.folder.name) / "flotilla.yaml"
        self.file.write_text(config)
        self.output = pathlib.Path(self.folder.name) / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen([PROGRAM, "up", str(self.file)], stdout=output, stderr=output,
                                            env={**os.environ, **(environment or {})})
        try:
            wait_until(self._ready, "the program is ready")
        except Failed:
            said = self.output.read_text(errors="replace")
            self.stop()
            raise Failed(f"the program does not come up:\n{said}") from None

    def _ready(self):
        check(self.process.poll() is None, f"the program ended with {self.process.returncode}")
        try:
            return self.admin("GET", "/readyz").status == 200
        except (OSError, Failed):
            return False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        code = self.stop()
        # An exception on its way says more; the SystemExit of a script's end is none.
        check(code == 0 or (kind is not None and issubclass(kind, Exception)), f"the program ended with {code}")

    def stop(self):
        """Ends it, and says its exit code: not 0 if it crashed, could not end, or a sanitizer found something."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15 * SLOWDOWN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        code = self.process.returncode
        if code not in (0, None) and self.output.exists():
            said = self.said()
            finding = said.find("Sanitizer")
            said = said[-2000:] if finding < 0 else said[max(0, finding - 200):][:20000]
            print(f"the program ended with {code}; its last words:\n{said}", flush=True)
        self.folder.cleanup()
        return code

    def said(self):
        return self.output.read_text(errors="replace")

    def admin(self, method, path, body=b""):
        with Wire(self.admin_port) as wire:
            wire.send(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.admin_port}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = wire.response(method)
            check(answer is not None, f"admin {method} {path}: no answer")
            return answer

    def breaker(self, service):
        items = self.admin("GET", "/api/v1/breakers").json()["items"]
        return next((item for item in items if item["service"] == service), None)

    def metric(self, name, **labels):
        """The sum of the samples of that name that have these labels."""
        total = None
        for line in self.admin("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name) and line[len(name):len(name) + 1] in ("{", " "):
                if all(f'{key}="{value}"' in line for key, value in labels.items()):
                    total = (total or 0.0) + float(line.rsplit(" ", 1)[1])
        return total

    def rss(self):
        """Resident memory in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) * 1024
