"""The valid events of a Kafka topic: those that ingestion would store, and no other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pyspark.sql import functions as F

from lakehouse.contracts.model import Contract
from lakehouse_spark.checkpoint import Offsets
from lakehouse_spark.events import EventStream
from lakehouse_spark.history import complete_from
from lakehouse_spark.origin import Beginning
from lakehouse_spark.parse import parse_events
from lakehouse_spark.query import longest_wait
from lakehouse_spark.topic import TopicStream

_ANEW = (
    "What was computed of the lost events cannot be told apart. To compute anew all that the topic still holds, and "
    "keep what is older, begin a new generation: raise `transform.generation` in the contract. Where the topic is "
    "another one by now, move the table away instead"
)


@dataclass(frozen=True)
class TopicEvents:
    """The events of ``topic``, as ``contract`` declares them."""

    contract: Contract
    topic: TopicStream

    def open(self, *, from_beginning: bool) -> EventStream:
        """See EventSource. Raises TopicRecreatedError when the topic is another one than was read before."""
        source = self.contract.source
        if from_beginning:
            source = source.model_copy(update={"starting_offsets": "earliest"})
        beginning = Beginning(source, self.topic.checkpoint, self.topic.connect, _nothing, _nothing, _ANEW)
        origin = beginning.find()
        rows = parse_events(self.topic.messages(origin.start, longest_wait(self.contract)), self.contract)
        columns = [column.name for column in self.contract.event_columns]
        events = rows.where(F.col("reason").isNull()).select(columns)
        return EventStream(
            events,
            lambda: beginning.note(origin),
            {"topic_id": origin.topic_id},
            self.topic.guard(origin, _ANEW),
            partial(self._complete_from, origin.start),
            lambda: self._present(origin.start),
        )

    def _present(self, start: Offsets) -> Callable[[int], bool]:
        with self.topic.connect() as topic:
            end = topic.end(topic.partitions())

        def reached(batch_id: int) -> bool:
            read = self.topic.planned(start, batch_id).end
            return all(read.get(partition, 0) >= offset for partition, offset in end.items())

        return reached

    def _complete_from(self, start: Offsets, wanted: datetime | None) -> datetime | None:
        with self.topic.connect() as topic:
            return complete_from(topic, start, wanted)


def _nothing() -> Offsets:
    """A computed row tells no offset."""
    return {}
