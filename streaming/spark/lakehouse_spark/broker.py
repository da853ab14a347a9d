"""What the broker says about a topic's offsets, asked with kafka-python: few calls, no second native client."""

from types import TracebackType

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from lakehouse.errors import LakehouseError
from lakehouse_spark.checkpoint import Offsets


class TopicMissingError(LakehouseError):
    """The topic does not exist on the broker."""


class TopicOffsets:
    """The id and the offsets of one topic. Holds a connection, so it is closed after use."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._servers = bootstrap_servers
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","), client_id=f"lakehouse-offsets-{topic}", group_id=None
        )

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
            raise _missing(self._servers, self._topic)
        return sorted(found)

    def topic_id(self) -> str:
        """What tells the topic from an earlier one of its name. Raises TopicMissingError."""
        identity = TopicIdentity(self._servers, self._topic)
        try:
            return identity.topic_id()
        finally:
            identity.close()

    def beginning(self, partitions: list[int]) -> Offsets:
        """The first offset that each of ``partitions`` still holds; retention moves it on."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        return {found.partition: offset for found, offset in self._consumer.beginning_offsets(wanted).items()}

    def end(self, partitions: list[int]) -> Offsets:
        """The offset that the next event of each of ``partitions`` will have."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        return {found.partition: offset for found, offset in self._consumer.end_offsets(wanted).items()}


class TopicIdentity:
    """Tells a topic from an earlier one of its name. Keeps its connection: it is asked with every batch."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._admin: KafkaAdminClient | None = None

    def topic_id(self) -> str:
        """The id that the broker gave the topic when it was created. Raises TopicMissingError."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self._servers.split(","))
        try:
            (described,) = self._admin.describe_topics([self._topic])
        except Exception:
            # The next question connects anew.
            self.close()
            raise
        if described["error_code"]:
            raise _missing(self._servers, self._topic)
        return str(described["topic_id"])

    def close(self) -> None:
        """Ends the connection; a later question opens another."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None


def _missing(servers: str, topic: str) -> TopicMissingError:
    return TopicMissingError(f"topic {topic!r} does not exist on {servers}: create it, or correct `source.topic`")
