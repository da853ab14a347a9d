"""What the broker is asked: where topics and groups stand, and when a message was produced.

Each question has a time limit: a broker that is down costs so long, and no more.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import CoordinatorLoadInProgressError, KafkaError

from lakehouse.kafka import Kafka
from lakehouse.observability.messages import BrokerError, Messages

# What it warns of is raised as well; without a handler Python prints it.
logging.getLogger("kafka").addHandler(logging.NullHandler())
_PAUSE_SECONDS = 0.1
#: Topic and number of a partition.
Partition = tuple[str, int]


class Broker:
    """Asks the brokers of ``kafka``; each question takes ``seconds`` at most. One thread may use it at a time.

    Every method raises BrokerError.
    """

    def __init__(self, kafka: Kafka, seconds: float) -> None:
        self._kafka = kafka
        self._seconds = seconds
        self._connected: KafkaAdminClient | None = None
        self._messages = Messages(kafka, seconds)

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections; a later question opens others."""
        self._messages.close()
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def partitions(self, topics: Iterable[str]) -> dict[str, list[int]]:
        """The partitions of those of ``topics`` that exist."""
        with self._admin() as admin:
            existing = sorted(set(topics) & set(admin.list_topics()))
            described = admin.describe_topics(existing) if existing else []
        for topic in described:
            self._messages.known_as(topic["name"], topic.get("topic_id"))
        return {
            topic["name"]: sorted(partition["partition_index"] for partition in topic["partitions"])
            for topic in described
        }

    def topics(self) -> list[str]:
        """Every topic but those that Kafka keeps for itself."""
        with self._admin() as admin:
            return sorted(topic for topic in admin.list_topics() if not topic.startswith("__"))

    def ends(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        """The offset behind the newest message of each partition."""
        return self._offsets(partitions, OffsetSpec.LATEST)

    def beginnings(self, partitions: Mapping[str, Iterable[int]]) -> dict[Partition, int]:
        """The first offset of each partition that has not expired."""
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def at(self, partitions: Mapping[str, Iterable[int]], milliseconds: int) -> dict[Partition, int]:
        """The first offset of each partition whose message is not older than that; where none is, that behind all."""
        found, ends = self._offsets(partitions, milliseconds), self.ends(partitions)
        # -1: there is no such message.
        return {partition: offset if offset >= 0 else ends[partition] for partition, offset in found.items()}

    def groups(self) -> list[str]:
        """Every consumer group."""
        return sorted(group["group_id"] for group in self._listed())

    def committed(self, groups: Iterable[str]) -> dict[str, dict[Partition, int]]:
        """The offsets that each of ``groups`` has committed; none of a group that does not exist."""
        wanted = list(groups)
        # Asked for a group before the first one is made, a new broker has no coordinator to answer.
        existing = sorted(set(wanted) & {group["group_id"] for group in self._listed()})
        with self._admin() as admin:
            answers = admin.list_group_offsets(existing) if existing else {}
        return {
            group: {
                (of.topic, of.partition): told.offset for of, told in answers.get(group, {}).items() if told.offset >= 0
            }
            for group in wanted
        }

    def forget_group(self, group: str) -> None:
        """Deletes what ``group``, which nobody reads with any more, has committed; one that does not exist is fine."""
        if group not in {known["group_id"] for known in self._listed()}:
            return
        with self._admin() as admin:
            answer = admin.delete_groups([group])[group]
        if answer != "OK":
            raise BrokerError(f"{self._kafka} does not delete the consumer group {group}: {answer}")

    def messages(self, topic: str, offsets: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Of each partition the first message at its offset or behind: offset, timestamp in ms; see `Messages.at`."""
        return self._messages.at(topic, offsets)

    def _listed(self) -> list[dict[str, Any]]:
        """Every group. A broker that has just started is given the time to load them."""
        deadline = time.monotonic() + self._seconds
        with self._admin() as admin:
            while True:
                try:
                    groups: list[dict[str, Any]] = admin.list_groups()
                except CoordinatorLoadInProgressError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_PAUSE_SECONDS)
                else:
                    return groups

    def _offsets(self, partitions: Mapping[str, Iterable[int]], spec: Any) -> dict[Partition, int]:
        asked = {TopicPartition(topic, p): spec for topic, numbers in partitions.items() for p in numbers}
        with self._admin() as admin:
            answers = admin.list_partition_offsets(asked) if asked else {}
        return {(of.topic, of.partition): told.offset for of, told in answers.items()}

    @contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        limit_ms = int(self._seconds * 1000)
        try:
            if self._connected is None:
                self._connected = KafkaAdminClient(
                    **self._kafka.for_python(),
                    bootstrap_timeout_ms=limit_ms,
                    request_timeout_ms=limit_ms,
                )
            yield self._connected
        except (KafkaError, OSError) as error:
            self.close()
            raise BrokerError(
                f"{self._kafka} does not answer within {self._seconds:g} s: {error}. Is it up? See `lakehouse status`"
            ) from error
