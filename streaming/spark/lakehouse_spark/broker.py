"""What the broker says about a topic's offsets, asked with kafka-python: few calls, no second native client."""

import time
from datetime import UTC, datetime, timedelta
from types import TracebackType

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from lakehouse.errors import LakehouseError
from lakehouse.kafka import Kafka
from lakehouse_spark.checkpoint import Offsets

_FETCH_SECONDS = 30.0
_AT_ONCE_MS = 2000


class TopicMissingError(LakehouseError):
    """The topic does not exist on the broker."""


class TopicOffsets:
    """The id and the offsets of one topic. Holds a connection, so it is closed after use."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._topic = topic
        self._kafka = kafka
        self._consumer = KafkaConsumer(**kafka.for_python(), client_id=f"lakehouse-offsets-{topic}", group_id=None)

    def __enter__(self) -> "TopicOffsets":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def partitions(self) -> list[int]:
        """The partitions of the topic. Raises TopicMissingError."""
        found = self._consumer.partitions_for_topic(self._topic)
        if not found:
            raise _missing(self._kafka, self._topic)
        return sorted(found)

    def topic_id(self) -> str:
        """What tells the topic from an earlier one of its name. Raises TopicMissingError."""
        identity = TopicIdentity(self._kafka, self._topic)
        try:
            return identity.topic_id()
        finally:
            identity.close()

    def beginning(self, partitions: list[int]) -> Offsets:
        """The first offset that each of ``partitions`` still holds; retention moves it on."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        return {found.partition: offset for found, offset in self._consumer.beginning_offsets(wanted).items()}

    def first_times(self, beginning: Offsets) -> dict[int, datetime | None]:
        """When the broker took the first event that each partition of ``beginning`` still holds; None without one."""
        return {partition: self._time_at(partition, offset) for partition, offset in beginning.items()}

    def retention(self) -> timedelta | None:
        """How long the topic keeps its events; None where it is not time alone that ends them."""
        admin = KafkaAdminClient(**self._kafka.for_python())
        try:
            asked = [ConfigResource(ConfigResourceType.TOPIC, self._topic)]
            told = admin.describe_configs(asked, config_filter="all")["topic"][self._topic]
        finally:
            admin.close()
        milliseconds = int(told["retention.ms"]["value"])
        by_time = told["cleanup.policy"]["value"] == "delete" and int(told["retention.bytes"]["value"]) < 0
        return timedelta(milliseconds=milliseconds) if by_time and milliseconds >= 0 else None

    def _time_at(self, partition: int, offset: int) -> datetime | None:
        wanted = TopicPartition(self._topic, partition)
        self._consumer.assign([wanted])
        self._consumer.seek(wanted, offset)
        end = self._consumer.end_offsets([wanted])[wanted]
        deadline = time.monotonic() + _FETCH_SECONDS
        while self._consumer.position(wanted) < end:
            for record, *_ in self._consumer.poll(timeout_ms=1000, max_records=1).values():
                return datetime.fromtimestamp(record.timestamp / 1000, UTC)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._topic}[{partition}] gave no event at offset {offset}: is the broker well?")
        return None

    def end(self, partitions: list[int]) -> Offsets:
        """The offset that the next event of each of ``partitions`` will have."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        return {found.partition: offset for found, offset in self._consumer.end_offsets(wanted).items()}


def reachable(kafka: Kafka) -> bool:
    """Whether a broker takes a connection at once: a plan has something to tell without one, and does not wait."""
    try:
        KafkaAdminClient(**kafka.for_python(), bootstrap_timeout_ms=_AT_ONCE_MS).close()
    except (KafkaError, OSError):
        return False
    return True


class TopicIdentity:
    """Tells a topic from an earlier one of its name. Keeps its connection: it is asked with every batch."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._admin: KafkaAdminClient | None = None

    def topic_id(self) -> str:
        """The id that the broker gave the topic when it was created. Raises TopicMissingError."""
        if self._admin is None:
            self._admin = KafkaAdminClient(**self._kafka.for_python())
        try:
            (described,) = self._admin.describe_topics([self._topic])
        except Exception:
            # The next question connects anew.
            self.close()
            raise
        if described["error_code"]:
            raise _missing(self._kafka, self._topic)
        return str(described["topic_id"])

    def close(self) -> None:
        """Ends the connection; a later question opens another."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None


def _missing(kafka: Kafka, topic: str) -> TopicMissingError:
    return TopicMissingError(f"topic {topic!r} does not exist on {kafka}: create it, or correct `source.topic`")
