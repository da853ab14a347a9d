"""The newest messages of a topic, as many as were asked for and within the time that was given."""

import difflib
import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import Settings

#: Over so long the rate is measured.
LATELY = timedelta(minutes=10)
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.2
_TOPICS_SHOWN = 20
_SILENT = logging.Logger("silent", level=logging.CRITICAL + 1)


class SampleError(LakehouseError):
    """A topic cannot be sampled."""


@dataclass(frozen=True)
class Sampled:
    """One message. ``timestamp`` is the broker's or the producer's, in milliseconds; None where it has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None


@dataclass(frozen=True)
class Sample:
    """Messages of a topic, by partition and offset, and how many a second came lately; None where none did."""

    messages: list[Sampled]
    events_per_second: float | None


def sample_topic(settings: Settings, topic: str, most: int, seconds: float) -> Sample:
    """Up to ``most`` of the newest messages, equally many of each partition as far as it has them, by their offsets.

    Takes at most about ``seconds``. Commits nothing, creates nothing. Raises SampleError.
    """
    consumer = Consumer(
        {
            **settings.kafka.for_confluent(),
            # Only named: partitions are assigned by hand, and nothing is committed.
            "group.id": f"lakehouse-sample-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
        },
        # What librdkafka has to say of a broker out of reach, the error says too.
        logger=_SILENT,
    )
    try:
        ends = _ends(consumer, settings, topic)
        rate = _rate(consumer, topic, ends)
        return Sample(_read(consumer, topic, _ranges(ends, most), time.monotonic() + seconds), rate)
    except KafkaException as error:
        raise SampleError(f"{topic}: cannot be read from {settings.kafka_bootstrap_servers}: {error}") from error
    finally:
        consumer.close()


def _ends(consumer: Consumer, settings: Settings, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and next offset of each partition. Raises SampleError where there is nothing to read."""
    try:
        topics = consumer.list_topics(timeout=_CONNECT_SECONDS).topics
    except KafkaException as error:
        raise SampleError(
            f"no answer from the broker at {settings.kafka_bootstrap_servers} ({error}). "
            f"Start it: {command('up')}. Another one: LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS=host:port"
        ) from error
    if topic not in topics:
        own = sorted(name for name in topics if not name.startswith("__"))
        close = difflib.get_close_matches(topic, own, n=1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        shown = ", ".join(own[:_TOPICS_SHOWN]) + (", …" if len(own) > _TOPICS_SHOWN else "")
        raise SampleError(
            f"no topic {topic!r} at {settings.kafka_bootstrap_servers}. {hint}Topics there: {shown or 'none'}"
        )
    partitions = [TopicPartition(topic, number) for number in topics[topic].partitions]
    ends = {at.partition: consumer.get_watermark_offsets(at, timeout=_CONNECT_SECONDS) for at in partitions}
    if all(low >= high for low, high in ends.values()):
        raise SampleError(f"topic {topic!r} holds no message to look at: send some, and try again")
    return ends


def _rate(consumer: Consumer, topic: str, ends: dict[int, tuple[int, int]]) -> float | None:
    """Messages a second of the last minutes. Not of the sample: a burst would count as if it went on for ever."""
    since = int((time.time() - LATELY.total_seconds()) * 1000)
    asked = [TopicPartition(topic, partition, since) for partition in ends]
    found = consumer.offsets_for_times(asked, timeout=_CONNECT_SECONDS)
    # Below 0 stands for the end: nothing came since.
    count = sum(ends[at.partition][1] - at.offset for at in found if at.offset >= 0)
    return count / LATELY.total_seconds() or None


def _ranges(ends: dict[int, tuple[int, int]], most: int) -> dict[int, tuple[int, int]]:
    """From which offset to which, exclusive, each partition is read: what a short one leaves, longer ones fill."""
    ranges: dict[int, tuple[int, int]] = {}
    shortest_first = sorted(ends, key=lambda partition: ends[partition][1] - ends[partition][0])
    for behind, partition in zip(range(len(ends), 0, -1), shortest_first, strict=True):
        low, high = ends[partition]
        share = min(high - low, most // behind)
        if share > 0:
            ranges[partition] = (high - share, high)
            most -= share
    return ranges


def _read(consumer: Consumer, topic: str, ranges: dict[int, tuple[int, int]], deadline: float) -> list[Sampled]:
    consumer.assign([TopicPartition(topic, partition, start) for partition, (start, _) in ranges.items()])
    messages: list[Sampled] = []
    unread = set(ranges)
    while unread and time.monotonic() < deadline:
        for message in consumer.consume(1000, timeout=_POLL_SECONDS):
            error = message.error()
            if error is None:
                messages.append(_sampled(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # The end is told besides: the last offsets may hold markers of transactions, and no message.
            if error is not None or messages[-1].offset + 1 >= ranges[messages[-1].partition][1]:
                unread.discard(_partition(message))
    # What came after the ends were looked up is read by the way, and is beyond what was asked for.
    wanted = [message for message in messages if message.offset < ranges[message.partition][1]]
    if not wanted:
        raise SampleError(f"topic {topic!r} gave no message in time: raise --seconds, or look at the broker's log")
    return sorted(wanted, key=lambda message: (message.partition, message.offset))


def _sampled(message: Message) -> Sampled:
    kind, timestamp = message.timestamp()
    known = None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp
    offset = message.offset()
    assert offset is not None  # noqa: S101  (it was read)
    return Sampled(_partition(message), offset, message.key(), message.value(), known)


def _partition(message: Message) -> int:
    partition = message.partition()
    assert partition is not None  # noqa: S101  (it was read)
    return partition
