"""A service that misbehaves on demand, on a port and in a thread of its own."""
import asyncio
import json
import threading

from checks import PATIENCE
from wire import Message


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
