"""A Redis of the test's own: started on a port, killed, emptied, started again."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from checks import wait_until

SKIPPED = 77


def needed():
    """Ends the script with SKIPPED where there is no Redis, or no client of it."""
    try:
        import redis  # noqa: F401
    except ImportError:
        print("SKIPPED: the Python client redis of tests/requirements.txt is not installed; ./dev test installs it")
        sys.exit(SKIPPED)
    if shutil.which("redis-server") is None:
        print("SKIPPED: no redis-server is installed (Debian: apt-get install redis-server)")
        sys.exit(SKIPPED)


class RedisServer:
    def __init__(self, port, *options):
        self.port, self.options = port, options
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-redis-")
        self.process = None
        self.start()

    def start(self):
        with (pathlib.Path(self.folder.name) / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder.name, "--save", "",
                 "--appendonly", "no", *self.options], stdout=output, stderr=output)
        wait_until(self._answers, "Redis answers")

    def _answers(self):
        import redis
        try:
            self.client(socket_timeout=1).ping()
            return True
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False

    def client(self, **how):
        import redis
        return redis.Redis(host="127.0.0.1", port=self.port, **how)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()
