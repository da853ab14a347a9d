"""What a checkpoint began with, kept inside of it: which topic it reads, from where, and what quarantine held then.

Offsets mean something only within one incarnation of a topic. A topic that was deleted and created again has the old
name, another id, and offsets that begin anew: by its offsets alone a query would skip or double events.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lakehouse.contracts.source import KafkaSource
from lakehouse.errors import LakehouseError
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import Checkpoint, Offsets

_LOG = logging.getLogger(__name__)
#: What a checkpoint keeps it in.
ORIGIN = "origin.json"


#: What to do about a topic that was created again, where the table can record what is gone with the old one.
GO_ON = (
    "To record that in quarantine and read the new topic from its beginning into the same table, set "
    "`fail_on_data_loss: false` in the contract; to begin anew, move the tables and the checkpoint {checkpoint} away"
)


class TopicRecreatedError(LakehouseError):
    """The topic is not the one that was read before, though it has its name."""


@dataclass(frozen=True)
class Abandoned:
    """What was not yet read of a partition when its topic was deleted: the events from ``start`` on, if any."""

    topic: str
    partition: int
    start: int

    def __str__(self) -> str:
        return (
            f"offsets_lost: {self.topic}[{self.partition}] from offset {self.start} on, the events that were not read "
            "yet are gone: the topic was deleted and created again, and is read from its beginning since"
        )


@dataclass(frozen=True)
class Origin:
    """``start`` is where the first batch begins, empty for a checkpoint of an earlier release; ``rejected`` the first
    offset of each partition that quarantine lacked; ``abandoned`` is to be recorded with the first batch.
    """

    topic_id: str
    start: Offsets = field(default_factory=dict)
    rejected: Offsets = field(default_factory=dict)
    abandoned: tuple[Abandoned, ...] = ()


@dataclass(frozen=True)
class Beginning:
    """Finds or makes the origin of ``checkpoint``. ``held`` tells which offsets a table of the contract holds."""

    source: KafkaSource
    checkpoint: Checkpoint
    connect: Callable[[], TopicOffsets]
    held: Callable[[], Offsets]
    held_rejected: Callable[[], Offsets]
    remedy: str = GO_ON

    def origin(self) -> Origin:
        """The origin of the checkpoint, noted in it."""
        found = self.find()
        self.note(found)
        return found

    def note(self, origin: Origin) -> None:
        """Keeps ``origin``, which ``find`` has found, with the checkpoint."""
        self.checkpoint.write(ORIGIN, _text(origin))

    def find(self) -> Origin:
        """The origin of the checkpoint, which is a new one where the topic was made anew and the contract goes on.

        Raises TopicRecreatedError where it does not, or where nothing tells what of the new topic was read.
        """
        self.checkpoint.finish_replacement()
        stored = noted_origin(self.checkpoint)
        with self.connect() as topic:
            topic_id = topic.topic_id()
            known = Origin(topic_id, rejected=self.held_rejected()) if stored is None else stored
            if known.topic_id != topic_id:
                return self._recreated(known, topic, topic_id)
            if not self.checkpoint.exists():
                known = replace(known, start=_beginning(topic) if known.abandoned else self._start(topic))
        return known

    def _start(self, topic: TopicOffsets) -> Offsets:
        """Where a new checkpoint begins: behind the table's own rows, and where it has none as the contract says.

        Told to Spark as numbers in any case, so that what expires before the first batch is missed.
        """
        held = self.held()
        if not held and self.source.starting_offsets == "latest":
            return topic.end(topic.partitions())
        beginning, end = _beginning(topic), topic.end(topic.partitions())
        ahead = {p: following for p, following in held.items() if following > end.get(p, 0)}
        if ahead:
            raise TopicRecreatedError(
                f"the table holds more of topic {self.source.topic} than the topic ever had: "
                f"{_compared(self.source.topic, ahead, beginning, end)}. The topic was deleted and created again, and "
                "the checkpoint that knew is lost. Feed the table from a topic of another name; or move the table away "
                "to fill a new one from the topic's beginning."
            )
        return {**beginning, **held}

    def _recreated(self, known: Origin, topic: TopicOffsets, topic_id: str) -> Origin:
        beginning, end = _beginning(topic), topic.end(topic.partitions())
        reached = self.checkpoint.committed_offsets() or known.start
        if self.source.fail_on_data_loss:
            compared = _compared(self.source.topic, reached, beginning, end)
            raise TopicRecreatedError(
                f"topic {self.source.topic} was deleted and created again (its id is {topic_id}, and was "
                f"{known.topic_id}): {compared}. What was not read of the old topic is gone. "
                f"{self.remedy.format(checkpoint=self.checkpoint.location)}."
            )
        abandoned = tuple(Abandoned(self.source.topic, p, offset) for p, offset in sorted(reached.items()))
        # What the first checkpoint of the old topic had still to record, and did not come to, stays to be recorded.
        pending = known.abandoned if self.checkpoint.committed_offsets() is None else ()
        origin = Origin(topic_id, start=beginning, abandoned=(*pending, *abandoned))
        self.checkpoint.replace(ORIGIN, _text(origin), f"topic-{known.topic_id}")
        for loss in abandoned:
            _LOG.error("%s", loss)
        return origin


def noted_origin(checkpoint: Checkpoint) -> Origin | None:
    """The origin that ``checkpoint`` holds; None for one that has none."""
    text = checkpoint.read(ORIGIN)
    return None if text is None else _parse(text)


def _beginning(topic: TopicOffsets) -> Offsets:
    return topic.beginning(topic.partitions())


def _compared(topic: str, expected: Offsets, beginning: Offsets, end: Offsets) -> str:
    return "; ".join(
        f"{topic}[{p}] expected offset {offset} next, found "
        + (f"offsets {beginning[p]} to {end[p] - 1}" if end.get(p, 0) > beginning.get(p, 0) else "no event")
        for p, offset in sorted(expected.items())
    )


def _text(origin: Origin) -> str:
    values = {
        "topic_id": origin.topic_id,
        "start": origin.start,
        "rejected": origin.rejected,
        "abandoned": [[loss.topic, loss.partition, loss.start] for loss in origin.abandoned],
    }
    return json.dumps(values, indent=2) + "\n"


def _parse(text: str) -> Origin:
    values = json.loads(text)
    return Origin(
        topic_id=values["topic_id"],
        start=_offsets(values["start"]),
        rejected=_offsets(values["rejected"]),
        abandoned=tuple(Abandoned(*loss) for loss in values["abandoned"]),
    )


def _offsets(values: dict[str, int]) -> Offsets:
    return {int(partition): offset for partition, offset in values.items()}
