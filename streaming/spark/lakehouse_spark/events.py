"""Where a transform's events come from.

One interface: a kind of source is a class that opens an `EventStream`, and that is all that a query knows of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pyspark.sql import DataFrame


class BatchWatch(Protocol):
    """What a source has to say about a batch. Kafka's answers are in `gaps`."""

    def refuse(self, batch_id: int) -> None:
        """After a batch could not be read: raises a better error than Spark's, where the source knows one."""

    def verify(self) -> None:
        """Before a batch is written: raises when the source is another one than the batch was planned with."""

    def size(self, batch_id: int) -> int | None:
        """How many events the batch spans, where that is known."""


@dataclass(frozen=True)
class EventStream:
    """``events`` is a stream of valid events, with the columns that the contract declares for them.

    ``note`` keeps with the checkpoint where the stream begins: to be called when the query may start, and not before.
    ``identity`` tells the source from another one of its name.
    ``complete_from`` tells from when on the stream holds every event, and looks closer when that is later than the time
    that is wanted; None: it holds all there ever were. ``present`` looks at where the source ends, and returns what
    tells of a batch whether it reaches that.
    """

    events: DataFrame
    note: Callable[[], None]
    identity: Mapping[str, str]
    watch: BatchWatch
    complete_from: Callable[[datetime | None], datetime | None]
    present: Callable[[], Callable[[int], bool]]


class EventSource(Protocol):
    """One kind of source."""

    def open(self, *, from_beginning: bool) -> EventStream:
        """The events behind those that the query's checkpoint has read.

        Without a checkpoint it begins where the contract says, or with the first event there is (``from_beginning``).
        Nothing is noted before the stream's ``note``.
        """
