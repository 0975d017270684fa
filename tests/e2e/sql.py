"""A session with PostgreSQL through psql, for tests that play a service with a database of its own."""
import subprocess
import uuid


class SqlError(Exception):
    """The server refused, or the connection is gone (then `lost`)."""

    def __init__(self, said, lost):
        super().__init__(said)
        self.lost = lost


class Session:
    """One connection. run() gives the rows, as lists of text; a refused statement raises."""

    def __init__(self, url):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-d", url],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.communicate()

    def run(self, sql):
        mark = uuid.uuid4().hex
        lines, failed = [], None
        try:
            self.process.stdin.write(f"{sql}\n;\n\\echo {mark}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise SqlError("psql has ended", True) from None
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SqlError(f"psql has ended: {failed}", True)
            line = line.rstrip("\n")
            if line == mark:
                break
            if line.startswith(("ERROR:", "FATAL:", "server closed", "psql: error", "WARNING:  terminating")):
                failed = failed or line
            lines.append(line)
        if failed is not None:
            raise SqlError(failed, not failed.startswith("ERROR:"))
        return [line.split("\x1f") for line in lines if line]

    def value(self, sql):
        return self.run(sql)[0][0]
