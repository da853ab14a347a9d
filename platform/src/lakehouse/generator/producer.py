"""Delivery: chunks to the broker, each message confirmed, what was confirmed written to the manifest."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer
from numpy.typing import NDArray

from lakehouse.errors import LakehouseError
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.manifest import Manifest, PartitionRange, Tally, default_path, events_path
from lakehouse.generator.stream import Chunk, OrderGenerator
from lakehouse.invocation import command
from lakehouse.kafka import Kafka
from lakehouse.settings import Settings

#: Unconfirmed messages at most: enough to keep batches full, and some 100 MB.
_MAX_IN_FLIGHT = 100_000
_CONNECT_SECONDS = 5.0
#: A broker that restarts is back within this time; a supervised stop does not wait as long.
_DELIVERY_SECONDS = 120.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1


class ProduceError(LakehouseError):
    """The broker is out of reach, or did not confirm every message."""


class _Delivery:
    """The delivery reports of one chunk; librdkafka calls it once a message."""

    def __init__(self, chunk: Chunk, ranges: dict[int, list[int]]) -> None:
        self.chunk = chunk
        self.reported = 0
        self.error: KafkaError | None = None
        self._ranges = ranges
        self._failed: Counter[tuple[bytes | None, bytes | None]] = Counter()

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        self.reported += 1
        if error is not None:
            self._fail(error, message.key(), message.value())
            return
        offset = message.offset()
        known = self._ranges.setdefault(message.partition(), [0, offset, offset])
        known[0] += 1
        if offset > known[2]:
            known[2] = offset
        elif offset < known[1]:
            known[1] = offset

    def refuse(self, error: KafkaError, key: bytes, value: bytes | None) -> None:
        """Counts a message that the producer did not take, so that no report will come."""
        self.reported += 1
        self._fail(error, key, value)

    def _fail(self, error: KafkaError, key: bytes | None, value: bytes | None) -> None:
        self.error = error
        self._failed[key, value] += 1

    @property
    def done(self) -> bool:
        return self.reported == len(self.chunk)

    def delivered(self) -> NDArray[np.bool_]:
        """Which messages were confirmed. Of two equal ones, of which one failed, the later counts as failed."""
        confirmed = np.ones(len(self.chunk), dtype=np.bool_)
        failed = self._failed.copy()
        for position in range(len(self.chunk) - 1, -1, -1):
            if not failed:
                break
            message = (self.chunk.keys[position], self.chunk.values[position])
            if failed[message]:
                confirmed[position] = False
                failed -= Counter([message])
        return confirmed


class _Sender:
    """A producer with a bounded number of unconfirmed messages."""

    def __init__(self, producer: Producer, topic: str, tally: Tally) -> None:
        self._producer = producer
        self._topic = topic
        self._tally = tally
        self._ranges: dict[int, list[int]] = {}
        self._waiting: deque[_Delivery] = deque()
        self.error: KafkaError | None = None

    def send(self, chunk: Chunk, stop: threading.Event) -> bool:
        """Queues ``chunk``; False when ``stop`` or a failure came before there was room for it."""
        while sum(len(d.chunk) - d.reported for d in self._waiting) + len(chunk) > _MAX_IN_FLIGHT:
            if stop.is_set() or self.error is not None:
                return False
            self.serve(_POLL_SECONDS)
        delivery = _Delivery(chunk, self._ranges)
        messages: list[dict[str, Any]] = [
            {"key": key, "value": value} for key, value in zip(chunk.keys, chunk.values, strict=True)
        ]
        self._waiting.append(delivery)
        if self._producer.produce_batch(self._topic, messages, on_delivery=delivery) < len(messages):
            for message in messages:
                if "_error" in message:
                    delivery.refuse(message["_error"], message["key"], message["value"])
        self.serve(0)
        return True

    def serve(self, seconds: float) -> None:
        """Takes delivery reports, waiting for the first of them for at most ``seconds``."""
        self._producer.poll(seconds)
        while self._waiting and self._waiting[0].done:
            delivery = self._waiting.popleft()
            self.error = self.error or delivery.error
            self._tally.add(delivery.chunk, delivery.delivered())

    def finish(self, seconds: float) -> None:
        """Waits until each message is confirmed or has failed; what is left after ``seconds`` is given up."""
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            self.serve(_POLL_SECONDS)
        if self._waiting:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)
            self._producer.flush(_STOP_SECONDS)
            self.serve(0)
        self._tally.add_partitions(
            {
                partition: PartitionRange(delivered=count, first_offset=first, last_offset=last)
                for partition, (count, first, last) in sorted(self._ranges.items())
            }
        )


def produce(
    settings: Settings,
    config: GeneratorConfig,
    *,
    manifest_path: Path | None = None,
    with_events: bool = False,
    stop: threading.Event | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Delivers the stream of ``config`` to ``settings.kafka_bootstrap_servers`` and writes its manifest.

    Returns when all events are confirmed, or when ``stop`` is set: then the manifest tells what was delivered so far.
    ``with_events`` adds a Parquet file of every message beside it. ``on_progress`` gets the number confirmed.

    Raises ProduceError when the broker or the topic cannot be reached, or when a message is not confirmed; the
    manifest is then written all the same and counts the failed ones. A message given up while in flight may still
    be in the topic.
    """
    stop = stop or threading.Event()
    path = manifest_path or default_path(settings.state_dir / "manifests", config)
    producer = connect(settings.kafka, config.topic)
    path.parent.mkdir(parents=True, exist_ok=True)
    tally = Tally(config, settings.kafka_bootstrap_servers, events_path(path) if with_events else None)
    sender = _Sender(producer, config.topic, tally)
    begin = time.monotonic()
    try:
        for chunk in OrderGenerator(config).chunks():
            if config.rate is not None:
                _wait_until(begin + (chunk.first + len(chunk)) / config.rate, sender, stop)
            if stop.is_set() or sender.error is not None or not sender.send(chunk, stop):
                break
            if on_progress is not None:
                on_progress(tally.sent)
    finally:
        sender.finish(_STOP_SECONDS if stop.is_set() else _DELIVERY_SECONDS + _STOP_SECONDS)
        manifest = tally.finish()
        manifest.write(path)
    if on_progress is not None:
        on_progress(tally.sent)
    if manifest.counts.failed:
        raise ProduceError(
            f"{manifest.counts.failed} messages were not confirmed by {settings.kafka_bootstrap_servers}"
            f" ({sender.error}); {manifest.counts.sent} were, and the manifest {path} counts those."
            f" The others may still arrive. See `{command('status')}`, then produce again."
        )
    return manifest


def connect(kafka: Kafka, topic: str) -> Producer:
    """An idempotent producer whose broker answers and has ``topic`` (or makes it on demand).

    Raises ProduceError, with the address and the next step, within seconds.
    """
    reasons: list[str] = []
    producer = Producer(
        {
            **kafka.for_confluent(),
            "client.id": "lakehouse-generator",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1 << 20,
            "batch.num.messages": 20_000,
            "queue.buffering.max.messages": 2 * _MAX_IN_FLIGHT,
            "queue.buffering.max.kbytes": 1 << 18,
            "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
            # The same partition for a key as Java producers choose.
            "partitioner": "murmur2_random",
            "error_cb": lambda error: reasons.append(str(error.str())),
            "log_level": 0,
        }
    )
    deadline = time.monotonic() + _CONNECT_SECONDS
    problem = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            # Asking for the topic makes a broker with auto.create.topics.enable create it; that takes a moment.
            found = producer.list_topics(topic, timeout=left).topics[topic]
        except KafkaException as error:
            problem = f"{error.args[0].str()}" + (f": {reasons[-1]}" if reasons else "")
            continue
        if found.error is None and found.partitions:
            return producer
        problem = f"topic {topic!r}: {found.error.str() if found.error else 'no partitions'}"
        producer.poll(_POLL_SECONDS)
    raise ProduceError(
        f"Kafka at {kafka} cannot take events ({problem}, tried for {_CONNECT_SECONDS:.0f} s). "
        f"Start the local one with `{command('up')}`, or set LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS=host:port; "
        "an external broker needs the topic created first."
    )


def _wait_until(moment: float, sender: _Sender, stop: threading.Event) -> None:
    while not stop.is_set() and sender.error is None and (left := moment - time.monotonic()) > 0:
        sender.serve(min(left, _POLL_SECONDS))
