"""When the message at an offset was produced: it is fetched with librdkafka, which knows every compression."""

import logging
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from lakehouse.errors import LakehouseError
from lakehouse.kafka import Kafka

#: librdkafka writes to stderr what it has no logger for, every second while a broker is down.
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
#: Messages remembered: one a partition for each table and group, for a few rounds.
_REMEMBERED = 4096


class BrokerError(LakehouseError):
    """The broker does not answer, or refuses."""


class Messages:
    """Fetches single messages from ``kafka``; each call takes ``seconds`` at most. For one thread at a time."""

    def __init__(self, kafka: Kafka, seconds: float) -> None:
        self._kafka = kafka
        self._seconds = seconds
        self._consumer: Consumer | None = None
        self._topics: dict[str, Hashable] = {}
        self._times: OrderedDict[tuple[str, int, int], tuple[int, int]] = OrderedDict()

    def known_as(self, topic: str, identity: Hashable) -> None:
        """Forgets the messages of ``topic`` where ``identity`` is not the one of before: a new topic has others."""
        if self._topics.setdefault(topic, identity) != identity:
            self._topics[topic] = identity
            for key in [key for key in self._times if key[0] == topic]:
                del self._times[key]

    def close(self) -> None:
        """Ends the connection; a later call opens another."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def at(self, topic: str, offsets: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """Of each partition the first message at its offset or behind: offset and timestamp in ms.

        There is none for a partition that ends there, or whose message has no timestamp. Raises BrokerError.
        """
        wanted = {p: offset for p, offset in offsets.items() if (topic, p, offset) not in self._times}
        if wanted:
            for partition, message in self._fetch(topic, wanted).items():
                self._times[topic, partition, wanted[partition]] = message
        while len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)
        return {p: self._times[topic, p, offset] for p, offset in offsets.items() if (topic, p, offset) in self._times}

    def _fetch(self, topic: str, offsets: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        consumer = self._open()
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in offsets.items()])
        found: dict[int, tuple[int, int]] = {}
        waiting, deadline = set(offsets), time.monotonic() + self._seconds
        try:
            while waiting and (left := deadline - time.monotonic()) > 0:
                message: Any = consumer.poll(left)
                if message is None:
                    continue
                error, partition = message.error(), message.partition()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise BrokerError(f"{self._kafka} gave no message of {topic}[{partition}]: {error.str()}")
                if partition not in waiting:
                    continue
                waiting.discard(partition)
                if error is None and message.timestamp()[1] >= 0:
                    found[partition] = (message.offset(), message.timestamp()[1])
        finally:
            consumer.unassign()
        if waiting:
            raise BrokerError(
                f"{self._kafka} gave no message of {topic}[{min(waiting)}] at offset {offsets[min(waiting)]} within "
                f"{self._seconds:g} s"
            )
        return found

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._kafka.for_confluent(),
                    # Never committed; the client insists on a name.
                    "group.id": "lakehouse-observer",
                    "enable.auto.commit": False,
                    # What expired is gone: the first message left is the one to wait for.
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    # As the engines read.
                    "isolation.level": "read_uncommitted",
                    # One message a partition: no queue is filled ahead.
                    "queued.min.messages": 1,
                    "queued.max.messages.kbytes": 1,
                    "max.partition.fetch.bytes": 1024,
                    "fetch.wait.max.ms": 100,
                },
                logger=_LOG,
            )
        return self._consumer
