"""The end-to-end tests of the Kafka bridge against a real Apache Kafka: one broker in KRaft mode, where Java and Maven are.

Maven brings Kafka's own artifacts into build/kafka/lib once; a broker starts on free ports with a folder of its own, the tests run with
FLOTILLA_TEST_KAFKA, and it is ended. It speaks plainly, over TLS to whoever has a certificate, and over TLS and without to whoever has
a password (SASL); kafka_secure.py is told all of that in FLOTILLA_TEST_KAFKA_SECURE, as JSON. Where Java or Maven is missing, or the artifacts cannot be had, it says so, loudly, and exits
with 77. Nothing of it is committed.

    python3 tests/kafka/real_broker.py [SCRIPT ...]      default: kafka.py, kafka_secure.py and kafka_kill.py
"""
import base64
import json
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
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import certificates  # noqa: E402

SKIPPED = 77
USER, PASSWORD = "shop", "p@ss:w/rd"
FETCH_SECONDS, START_SECONDS, TEST_SECONDS = 400, 120, 280

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
    def __init__(self, folder, authority):
        port, controller, tls, sasl_tls, sasl = (free_port() for _ in range(5))
        self.bootstrap = f"127.0.0.1:{port}"
        self.secure = {"tls": f"127.0.0.1:{tls}", "sasl_tls": f"127.0.0.1:{sasl_tls}", "sasl": f"127.0.0.1:{sasl}",
                       "user": USER, "password": PASSWORD, "ca": str(authority.ca)}
        self.secure["certificate"], self.secure["key"] = map(str, authority.issue("flotilla"))
        both = pathlib.Path(folder) / "broker.pem"  # as Kafka takes it
        both.write_text("".join(path.read_text() for path in reversed(authority.issue("broker", "IP:127.0.0.1"))))
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        properties = pathlib.Path(folder) / "server.properties"
        properties.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SSL://127.0.0.1:{tls},SASL_SSL://127.0.0.1:{sasl_tls},SASL_PLAINTEXT://127.0.0.1:{sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SSL://127.0.0.1:{tls},SASL_SSL://127.0.0.1:{sasl_tls},SASL_PLAINTEXT://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={both}
ssl.truststore.type=PEM
ssl.truststore.location={authority.ca}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_ssl.plain.sasl.jaas.config={plain}
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_plaintext.plain.sasl.jaas.config={plain}
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
        if java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties),
                *[word for number in (256, 512) for word in ("--add-scram", f"SCRAM-SHA-{number}=[name={USER},password={PASSWORD}]")],
                **how).wait(START_SECONDS) != 0:
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
    scripts = sys.argv[1:] or ["kafka.py", "kafka_secure.py", "kafka_kill.py"]
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            skip(f"{program} is not installed")
    fetch()
    failed = False
    with tempfile.TemporaryDirectory(prefix="flotilla-kafka-") as folder, certificates.Authority() as authority:
        try:
            broker = Broker(folder, authority)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"FAILED  {error}:\n{(pathlib.Path(folder) / 'output.txt').read_text()[-3000:]}")
            return 1
        try:
            print(f"Apache Kafka {VERSION} runs at {broker.bootstrap}", flush=True)
            for script in scripts:
                print(f"--- {script}", flush=True)
                ended = subprocess.run([sys.executable, str(ROOT / "tests" / "e2e" / script)], timeout=TEST_SECONDS,
                                       env={**os.environ, "FLOTILLA_TEST_KAFKA": broker.bootstrap,
                                            "FLOTILLA_TEST_KAFKA_SECURE": json.dumps(broker.secure)})
                if ended.returncode == SKIPPED:
                    return SKIPPED
                failed = failed or ended.returncode != 0
        finally:
            broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
