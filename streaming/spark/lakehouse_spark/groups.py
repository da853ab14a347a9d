"""Tells Kafka what a query has finished, as the offsets of a consumer group, so that ordinary lag tools see it.

Spark itself keeps offsets in its checkpoint and commits none. Nothing is read from these: they are for people.
"""

import logging
import time
from concurrent.futures import Executor, Future, wait

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from lakehouse.contracts.model import Contract
from lakehouse.kafka import Kafka
from lakehouse_spark.checkpoint import Offsets

_LOG = logging.getLogger(__name__)
#: A broker that has never had a group takes some seconds to find it a coordinator.
_FINISH_SECONDS = 5.0
_PAUSE_SECONDS = 0.2


def group_of(contract: Contract) -> str:
    """The consumer group of the contract's query."""
    return f"lakehouse.{contract.table}"


class GroupOffsets:
    """Commits the offsets of one query, in a thread of ``threads``: no query waits for it."""

    def __init__(self, kafka: Kafka, contract: Contract, threads: Executor) -> None:
        self._kafka = kafka
        self._topic = contract.source.topic
        self._group = group_of(contract)
        self._threads = threads
        self._admin: KafkaAdminClient | None = None
        self._committed: Offsets = {}
        self._committing: Future[None] | None = None

    def commit(self, finished: Offsets) -> None:
        """Commits ``finished``, the offsets behind the last events that are in the table, where they are news.

        While an earlier commit is under way nothing is done: the next one will tell more.
        """
        if self._committing is not None and not self._committing.done():
            return
        if finished and finished != self._committed:
            self._committing = self._threads.submit(self._commit, dict(finished))

    def finish(self, finished: Offsets) -> None:
        """Commits ``finished``, the last there will be, and returns when that is done or has failed."""
        if self._committing is not None:
            wait([self._committing])
        give_up = time.monotonic() + _FINISH_SECONDS
        while finished and finished != self._committed:
            self._commit(finished)
            if time.monotonic() > give_up:
                return
            time.sleep(_PAUSE_SECONDS)

    def _commit(self, finished: Offsets) -> None:
        wanted = {TopicPartition(self._topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in finished.items()}
        try:
            if self._admin is None:
                self._admin = KafkaAdminClient(**self._kafka.for_python())
            answers = self._admin.alter_group_offsets(self._group, wanted)
        except (KafkaError, OSError) as error:
            # The next batch tells more than this one would have.
            _LOG.warning("%s: its offsets were not committed: %s", self._group, error)
            self.close()
            return
        refused = {partition: error for partition, error in answers.items() if error.errno}
        if refused:
            _LOG.warning("%s: its offsets were refused: %s", self._group, refused)
            return
        self._committed = finished

    def close(self) -> None:
        """Ends the connection; a later commit opens another."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None
