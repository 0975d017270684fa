"""HTTP by hand: messages, a connection byte by byte, a keep-alive client for load."""
import asyncio
import json
import socket
import time

from checks import PATIENCE, check, check_equal


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
