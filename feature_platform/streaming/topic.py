"""A topic as it is read: from given places on, each message with its number. The one importer of confluent-kafka.

Where to go on is decided by what the platform has stored, never by what the broker remembers of a group.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from feature_platform.compute.transforms.messages import stream_name
from feature_platform.ground.errors import PackageMissing, SourceUnreadable
from feature_platform.ground.working_columns import ARRIVED_AT, PUSH, SPOOL
from feature_platform.parts.sources import Kafka
from feature_platform.streaming.messages import MESSAGE_KEY, MESSAGE_VALUE, MESSAGES

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message

_PATIENCE = 10.0  # seconds that a broker has for its answer
_UNREACHABLE = "Check its address, the options of the client and whether it can be reached from here."
_MILLISECOND = 1_000  # microseconds
_DEFAULTS = {
    "client.id": "feature_platform",
    "group.id": "feature_platform",
    "fetch.wait.max.ms": 20,
    "queued.min.messages": 100_000,
    "queued.max.messages.kbytes": 65_536,
    "socket.connection.setup.timeout.ms": 10_000,
}
_DECIDED = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
    "log_level": 0,
}


@contextmanager
def open_topic(words: Kafka, owner: str) -> "Iterator[Topic]":
    """Open a topic, and close it at the end of the block.

    Args:
        owner: the name of the source, for errors.

    Raises:
        PackageMissing: confluent-kafka is not installed.
        SourceUnreadable: the broker cannot be reached, or has no such topic.
        SecretMissing: the variable of a secret is not set.
    """
    try:
        from confluent_kafka import Consumer as Client
        from confluent_kafka import KafkaException
    except ModuleNotFoundError as error:
        raise PackageMissing(f"Source `{owner}`, which reads from Kafka,", "confluent-kafka", "kafka") from error
    complaints = deque["KafkaError"](maxlen=1)
    options = {**_DEFAULTS, **words.client_options(owner), **_DECIDED, "error_cb": complaints.append}
    try:
        consumer = Client(options)
    except (KafkaException, ValueError, TypeError) as error:
        reason = words.hide_secrets(str(error))
        raise SourceUnreadable(owner, words.location, reason, "Mend `options`; see librdkafka's.") from None
    try:
        yield Topic(words, owner, consumer, complaints)
    finally:
        consumer.close()


class Topic:
    """A consumer of all partitions of a topic; see `open_topic`.

    Args:
        complaints: gets what the client complains of.
    """

    def __init__(self, words: Kafka, owner: str, consumer: "Consumer", complaints: "deque[KafkaError]") -> None:
        self.words, self.owner = words, owner
        self._consumer, self._complaints = consumer, complaints
        self.ends: dict[str, int] = {}  # the number behind the last message, of partitions that were read to their end
        self.partitions = self._find_partitions()

    def stream(self, partition: int) -> str:
        """Return the name of a partition in logs and online stores."""
        return stream_name(self.words.topic, partition, self.words.incarnation)

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Return the number of the oldest message that each partition still has, and the one of its next message."""
        from confluent_kafka import KafkaException, TopicPartition

        found = {}
        for partition in self.partitions:
            try:
                place = TopicPartition(self.words.topic, partition)
                found[self.stream(partition)] = self._consumer.get_watermark_offsets(place, timeout=_PATIENCE)
            except KafkaException as error:
                raise self._failure(self._reason(error)) from None
        return found

    def go_to(self, positions: Mapping[str, int]) -> None:
        """Read each partition from a number on."""
        from confluent_kafka import TopicPartition

        self.ends.clear()
        self._consumer.assign(
            [TopicPartition(self.words.topic, each, positions[self.stream(each)]) for each in self.partitions]
        )

    def read(self, most: int, wait: float) -> pl.DataFrame:
        """Return the next messages, at least one unless none comes in time.

        Args:
            wait: seconds until the first one.

        Raises:
            SourceUnreadable: the broker has no such message any more, or refuses to give any.
        """
        from confluent_kafka import KafkaError, KafkaException

        try:
            first = self._consumer.consume(1, timeout=wait)
            messages = first + self._consumer.consume(most - 1, timeout=0) if first else []
        except KafkaException as error:
            raise self._failure(self._reason(error)) from None
        for message in messages:
            fault = message.error()
            if fault is not None and fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - so the client calls it
                self._note_end(message)
            elif fault is not None and not fault.retriable():
                raise self._failure(self._reason(fault))
        return self._frame([message for message in messages if message.error() is None])

    def _note_end(self, message: "Message") -> None:
        """Note that a partition was read to its end, which may be behind marks of transactions that are no messages."""
        partition, end = message.partition(), message.offset()
        if partition is not None and end is not None:
            self.ends[self.stream(partition)] = end

    @property
    def trouble(self) -> str | None:
        """Return what the client complained of since it was last asked; it goes on trying by itself."""
        return self._reason(self._complaints.pop()) if self._complaints else None

    def _find_partitions(self) -> list[int]:
        from confluent_kafka import KafkaException

        try:
            found = self._consumer.list_topics(self.words.topic, timeout=_PATIENCE).topics[self.words.topic]
        except KafkaException as error:
            self._consumer.poll(0)  # hands over what the client complained of
            raise self._failure(self.trouble or self._reason(error)) from None
        if found.error is not None or not found.partitions:
            raise self._failure("the broker has no such topic", "Check its name, or make it.")
        return sorted(found.partitions)

    def _frame(self, messages: "list[Message]") -> pl.DataFrame:
        names: dict[int | None, str] = {partition: self.stream(partition) for partition in self.partitions}
        rows = {
            SPOOL: [names[message.partition()] for message in messages],
            PUSH: [message.offset() for message in messages],
            ARRIVED_AT: [_arrival(message) for message in messages],
            MESSAGE_KEY: [message.key() for message in messages],
            MESSAGE_VALUE: [message.value() for message in messages],
        }
        return pl.DataFrame(rows, schema={**MESSAGES, ARRIVED_AT: pl.Int64}).cast({ARRIVED_AT: MESSAGES[ARRIVED_AT]})

    def _reason(self, error: object) -> str:
        from confluent_kafka import KafkaError, KafkaException

        fault = error.args[0] if isinstance(error, KafkaException) else error
        text = fault.str() if isinstance(fault, KafkaError) else str(fault)
        return self.words.hide_secrets(text.strip().splitlines()[0].rstrip(". "))

    def _failure(self, reason: str, remedy: str = _UNREACHABLE) -> SourceUnreadable:
        return SourceUnreadable(self.owner, self.words.location, reason, remedy)


def _arrival(message: "Message") -> int | None:
    """Return when the broker got a message, in microseconds; None when it does not say."""
    kind, milliseconds = message.timestamp()
    return milliseconds * _MILLISECOND if kind else None
