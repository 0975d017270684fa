"""A Kafka to test with, and what a stock client (confluent-kafka) does there.

MockCluster is librdkafka's own mock in a process of its own (tests/kafka/mock_cluster.cpp). Any other Kafka is named by the
environment variable FLOTILLA_TEST_KAFKA, as tests/kafka/real_broker.py does.
"""
import json
import os
import subprocess
import time

from kit import PATIENCE, PROGRAM, check

try:
    import confluent_kafka
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError:
    confluent_kafka = None

SKIPPED = 77
QUIET = {"log_level": 2}
MOCK = os.path.join(os.path.dirname(PROGRAM), "kafka_mock_cluster")


def missing():
    """Why the tests of Kafka cannot run here; nothing: they can."""
    if confluent_kafka is None:
        return "confluent-kafka is not installed (tests/requirements.txt)"
    if "FLOTILLA_TEST_KAFKA" not in os.environ and not os.path.exists(MOCK):
        return f"{MOCK} is not built"
    return None


class MockCluster:
    def __init__(self, brokers=1):
        self.process = subprocess.Popen([MOCK, str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.bootstrap = self.process.stdout.readline().strip()
        check(self.bootstrap, "the mock cluster did not start")

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        check(answer == "ok", f"{command}: {answer}")

    def topic(self, name, partitions):
        self.say(f"topic {name} {partitions}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


class RealCluster:
    """One that is there already. Topics are new ones: their names are the caller's to choose."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def topic(self, name, partitions):
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **QUIET})
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def is_real():
    return "FLOTILLA_TEST_KAFKA" in os.environ


def cluster(brokers=1):
    return RealCluster(os.environ["FLOTILLA_TEST_KAFKA"]) if is_real() else MockCluster(brokers)


class Kafka:
    """The pattern guide's `kafka`: send() and subscribe(), over the stock client."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", **QUIET})
        self.wrong = []

    def send(self, topic, value, key=None, headers=None):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        self.producer.produce(topic, body, key=key, headers=headers,
                              on_delivery=lambda error, _: error and self.wrong.append(str(error)))

    def flush(self):
        self.producer.flush(PATIENCE)
        check(not self.wrong, f"messages were not taken: {self.wrong[:3]}")

    def consumer(self, group, topics, commits=True):
        made = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                                         "enable.auto.commit": commits, "topic.metadata.refresh.interval.ms": 500,
                                         "session.timeout.ms": 6000, "allow.auto.create.topics": True, **QUIET})
        made.subscribe(topics)
        return made

    def read_all(self, topic, partitions, until, timeout=PATIENCE * 3):
        """Every message of a topic from its beginning, in the order of each partition, until `until(messages)`."""
        found, end = [], time.monotonic() + timeout

        def take(messages):
            found.extend(messages)
            return until(found) or time.monotonic() > end
        self.follow(topic, partitions, take)
        return found

    def follow(self, topic, partitions, take):
        """Gives messages to `take`, a list at a time, which may be empty, until that says that it is enough."""
        reader = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader-of-all",
                                           "auto.offset.reset": "earliest", "enable.auto.commit": False, **QUIET})
        reader.assign([confluent_kafka.TopicPartition(topic, n, confluent_kafka.OFFSET_BEGINNING) for n in range(partitions)])
        while not take([message for message in reader.consume(1000, 0.1) if message.error() is None]):
            pass
        reader.close()


def headers_of(message):
    return {name: value.decode() for name, value in message.headers() or []}
