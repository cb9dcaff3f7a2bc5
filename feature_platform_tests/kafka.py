"""A Kafka for tests: the mock cluster of librdkafka, in this process. It has four partitions for each topic."""

from collections.abc import Sequence
from copy import copy
from datetime import datetime
from json import dumps
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

PARTITIONS = 4


class Broker:
    """A cluster, and a topic in it that no other test has."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "log_level": 0, "linger.ms": 1})
        brokers = self._producer.list_topics(timeout=20).brokers.values()
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self.topic = _new_name()

    def with_topic(self) -> "Broker":
        """Return the same cluster, with another topic."""
        other = copy(self)
        other.topic = _new_name()
        return other

    def send(self, *messages: object, partition: int = 0, at: datetime | None = None) -> None:
        """Send messages: bytes as they are, None for a tombstone, anything else as JSON.

        Args:
            at: when the broker says that it got them. Defaults to now.
        """
        timestamp = 0 if at is None else round(at.timestamp() * 1000)
        for message in messages:
            value = message if message is None or isinstance(message, bytes) else dumps(message).encode()
            self._producer.produce(self.topic, value, key=b"k", partition=partition, timestamp=timestamp)
        assert self._producer.flush(30) == 0

    def send_in_a_transaction(self, *messages: object) -> None:
        """Send messages together; behind them the broker keeps a mark that has a number, and is no message."""
        producer = Producer({"bootstrap.servers": self.address, "transactional.id": _new_name(), "log_level": 0})
        producer.init_transactions(20)
        producer.begin_transaction()
        for message in messages:
            producer.produce(self.topic, dumps(message).encode(), key=b"k", partition=0)
        producer.commit_transaction(20)

    def send_all(self, messages: Sequence[object]) -> None:
        """Send messages to all partitions in turn."""
        for partition in range(PARTITIONS):
            self.send(*messages[partition::PARTITIONS], partition=partition)

    def bounds(self, partition: int = 0) -> tuple[int, int]:
        """Return the oldest message that the broker still has, and the number of the next one."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "look", "log_level": 0})
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=20)
        finally:
            consumer.close()
        return low, high


def _new_name() -> str:
    return f"topic-{uuid4().hex[:8]}"
