"""How far consumer groups are: in messages and in seconds."""

import logging
import time

from lakehouse.observability.broker import Broker, Partition
from lakehouse.observability.messages import BrokerError
from lakehouse.observability.metrics import (
    GROUP_LAG,
    GROUP_LAG_SECONDS,
    GROUP_OFFSET,
    TOPIC_OFFSET,
    TOPIC_OLDEST,
    Families,
)

_LOG = logging.getLogger(__name__)


class GroupLag:
    """Asks ``broker`` for every group, and for the topics that these read. Internal topics are left out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __call__(self) -> Families:
        """Raises BrokerError."""
        committed = self._broker.committed(self._broker.groups())
        partitions = self._broker.partitions(self._broker.topics())
        ends, beginnings = self._broker.ends(partitions), self._broker.beginnings(partitions)
        found = Families()
        for (topic, partition), end in sorted(ends.items()):
            found.add(TOPIC_OFFSET, (topic, str(partition)), end)
            found.add(TOPIC_OLDEST, (topic, str(partition)), beginnings[topic, partition])
        for group, offsets in committed.items():
            # A group may have read topics that are gone by now.
            known = {partition: offset for partition, offset in offsets.items() if partition in ends}
            seconds = self._seconds(known, ends)
            for (topic, partition), offset in sorted(known.items()):
                labels = (group, topic, str(partition))
                found.add(GROUP_OFFSET, labels, offset)
                found.add(GROUP_LAG, labels, max(ends[topic, partition] - offset, 0))
                if (topic, partition) in seconds:
                    found.add(GROUP_LAG_SECONDS, labels, seconds[topic, partition])
        return found

    def _seconds(self, offsets: dict[Partition, int], ends: dict[Partition, int]) -> dict[Partition, float]:
        """The age of the first message that was not finished, 0 without one; absent where it could not be fetched."""
        ages = dict.fromkeys(offsets, 0.0)
        behind: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in offsets.items():
            if offset < ends[topic, partition]:
                behind.setdefault(topic, {})[partition] = offset
        for topic, wanted in behind.items():
            try:
                messages = self._broker.messages(topic, wanted)
            except BrokerError as error:
                # A broker that is busy may answer for offsets and not in time with messages: the lag stays known.
                _LOG.warning("%s", error)
                for partition in wanted:
                    del ages[topic, partition]
                continue
            now = time.time()
            for partition, (_, timestamp) in messages.items():
                ages[topic, partition] = max(now - timestamp / 1000, 0.0)
        return ages
