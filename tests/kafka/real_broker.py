"""The end-to-end tests of the Kafka bridge against a real Apache Kafka: one broker in KRaft mode, where Java and Maven are.

Maven brings Kafka's own artifacts into build/kafka/lib once; a broker starts on free ports with a folder of its own, the tests run with
FLOTILLA_TEST_KAFKA, and it is ended. Where Java or Maven is missing, or the artifacts cannot be had, it says so, loudly, and exits
with 77. Nothing of it is committed.

    python3 tests/kafka/real_broker.py [SCRIPT ...]      default: kafka.py and kafka_kill.py
"""
import base64
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "kafka"
VERSION = "3.9.1"
SKIPPED = 77
FETCH_SECONDS, START_SECONDS, TEST_SECONDS = 400, 60, 280

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def skip(why):
    print(f"SKIPPED  *** the Kafka bridge is NOT tested against a real broker: {why} ***", flush=True)
    sys.exit(SKIPPED)


def fetch():
    """Kafka and what it needs, once."""
    done = FOLDER / f"fetched-{VERSION}"
    if done.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "pom.xml").write_text(POM)
    partial = FOLDER / "lib.partial"  # what was interrupted is not taken for the whole
    shutil.rmtree(partial, ignore_errors=True)
    print(f"fetching Apache Kafka {VERSION} with Maven into {FOLDER}", flush=True)
    try:
        result = subprocess.run(["mvn", "-q", "-B", "-f", str(FOLDER / "pom.xml"), "dependency:copy-dependencies",
                                 f"-DoutputDirectory={partial}", "-DincludeScope=runtime"], timeout=FETCH_SECONDS,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired:
        skip(f"Maven did not end within {FETCH_SECONDS} s")
    if result.returncode != 0:
        skip(f"Maven cannot bring it: {result.stdout[-500:]}")
    shutil.rmtree(FOLDER / "lib", ignore_errors=True)
    partial.rename(FOLDER / "lib")
    done.touch()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def java(main_class, *arguments, **how):
    return subprocess.Popen(["java", "-Xmx512m", "-cp", f"{FOLDER / 'lib'}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                             main_class, *arguments], stdin=subprocess.DEVNULL, **how)


class Broker:
    def __init__(self, folder):
        port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        properties = pathlib.Path(folder) / "server.properties"
        properties.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/log
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
""")
        self.output = open(pathlib.Path(folder) / "output.txt", "ab")
        how = {"stdout": self.output, "stderr": self.output}
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties), **how).wait(START_SECONDS) != 0:
            raise RuntimeError("the broker's folder cannot be formatted")
        self.process = java("kafka.Kafka", str(properties), **how)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the broker does not come up") from None
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    scripts = sys.argv[1:] or ["kafka.py", "kafka_kill.py"]
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            skip(f"{program} is not installed")
    fetch()
    failed = False
    with tempfile.TemporaryDirectory(prefix="flotilla-kafka-") as folder:
        try:
            broker = Broker(folder)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"FAILED  {error}:\n{(pathlib.Path(folder) / 'output.txt').read_text()[-3000:]}")
            return 1
        try:
            print(f"Apache Kafka {VERSION} runs at {broker.bootstrap}", flush=True)
            for script in scripts:
                print(f"--- {script}", flush=True)
                ended = subprocess.run([sys.executable, str(ROOT / "tests" / "e2e" / script)], timeout=TEST_SECONDS,
                                       env={**os.environ, "FLOTILLA_TEST_KAFKA": broker.bootstrap})
                if ended.returncode == SKIPPED:
                    return SKIPPED
                failed = failed or ended.returncode != 0
        finally:
            broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
