"""From what was asked for to rows: which offsets or windows a replay covers, as far as topic and table allow.

It never reaches beyond what the table's writer is done with, so that nothing that the writer is about to commit is
replayed too; and never before what the topic still holds, so that nothing is replaced by less.
"""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from deltalake import QueryBuilder

from lakehouse.contracts.model import Contract
from lakehouse.invocation import command
from lakehouse.observability.broker import Broker
from lakehouse.observability.messages import BrokerError
from lakehouse.observability.positions import group_of
from lakehouse.replay.errors import RangeGoneError, ReplayError
from lakehouse.replay.request import Ranges, Request
from lakehouse.replay.scope import Scope
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.offsets import following_offsets


@dataclass(frozen=True)
class Span:
    """Resolves a request for the table of ``contract``, which holds the events of a topic as they came."""

    catalog: Catalog
    contract: Contract
    broker: Broker
    request: Request

    def scope(self) -> Scope:
        """Raises ReplayError where the range is empty or beyond the table, RangeGoneError where the topic begins
        behind its start, and BrokerError.
        """
        if self.request.quarantined:
            return self._quarantined()
        partitions = self._partitions()
        beginning, settled = self._numbers(self.broker.beginnings(partitions)), self._settled()
        if self.request.offsets is not None:
            ranges = self._given(self.request.offsets, settled)
        else:
            start = beginning if self.request.since is None else self._at(partitions, self.request.since)
            end = settled if self.request.until is None else self._at(partitions, self.request.until)
            ranges = {p: (start[p], min(end.get(p, 0), settled.get(p, 0))) for p in start}
        self._refuse_gone(ranges, beginning)
        ranges = {p: (first, last) for p, (first, last) in ranges.items() if first < last}
        if not ranges:
            raise self._nothing(settled)
        return Scope(topic=self._topic, offsets=ranges)

    def _quarantined(self) -> Scope:
        """What quarantine holds is replayed from there: it has the bytes, whatever the topic still has."""
        name, request = self.contract.rejected_table, self.request
        if not self.catalog.exists(name):
            raise ReplayError(
                f"{self.contract.table} has no quarantine table {name}: its contract says `on_invalid: "
                f"{self.contract.on_invalid.value}`. Replay the range from the topic, without --quarantined."
            )
        settled = self._settled()
        asked = request.offsets or {p: (0, end) for p, end in settled.items()}
        ranges = {p: (first, min(end, settled.get(p, 0))) for p, (first, end) in asked.items()}
        ranges = {p: (first, end) for p, (first, end) in ranges.items() if first < end}
        if not ranges:
            raise self._nothing(settled)
        by_time = request.since is not None or request.until is not None
        return Scope(
            topic=self._topic,
            offsets=ranges,
            column="kafka_timestamp" if by_time else None,
            since=request.since,
            until=request.until,
            quarantine_version=self.catalog.open(name).version(),
        )

    def _nothing(self, settled: dict[int, int]) -> ReplayError:
        return ReplayError(
            f"{self.contract.table}: nothing to replay in {self.request}: the table has no event of it. It has read "
            f"{self._told(settled) or 'nothing'} of topic {self._topic} so far."
        )

    def _given(self, ranges: Ranges, settled: dict[int, int]) -> Ranges:
        for partition, (_, end) in sorted(ranges.items()):
            if end > settled.get(partition, 0):
                raise ReplayError(
                    f"{self.contract.table}: offsets to {end} of {self._topic}[{partition}] were asked for, and the "
                    f"table's writer is done with those below {settled.get(partition, 0)}. Ask for no more than "
                    f"{self._told(settled) or 'nothing: the table is empty'}."
                )
        return ranges

    def _refuse_gone(self, ranges: Ranges, beginning: dict[int, int]) -> None:
        """The topic has forgotten what the table still has. By time, the broker passes over that in silence."""
        gone = {p: (start, min(beginning[p], end)) for p, (start, end) in ranges.items() if start < beginning[p]}
        if self.request.offsets is None and self.request.since is not None:
            gone = {p: (first, last + 1) for p, first, last in self._older(beginning)}
        gone = {p: (first, last) for p, (first, last) in gone.items() if first < last}
        if gone:
            listed = ", ".join(f"{self._topic}[{p}] {first} to {last - 1}" for p, (first, last) in sorted(gone.items()))
            raise RangeGoneError(
                f"{self.contract.table}: the topic no longer holds all of {self.request}; gone are the offsets "
                f"{listed}. The table has them, and a replay would delete them. Begin behind them, or replay what the "
                f"topic holds: {command(f'replay {self.contract.table} --whole')}"
            )

    def _older(self, beginning: dict[int, int]) -> list[tuple[int, int, int]]:
        """Partition, first and last offset of the table's rows of the time asked for that are before the topic's."""
        since, until = self.request.since, self.request.until
        times = f"kafka_timestamp >= '{since:%Y-%m-%d %H:%M:%S.%f}+00:00'"
        times += f" AND kafka_timestamp < '{until:%Y-%m-%d %H:%M:%S.%f}+00:00'" if until else ""
        query = QueryBuilder().register("held", self.catalog.open(self.contract.table))
        rows = pa.table(
            query.execute(
                "SELECT kafka_partition, kafka_offset FROM held "  # noqa: S608 - times and a topic's name
                f"WHERE kafka_topic = '{self._topic}' AND {times} AND ({_below(beginning)})"
            )
        ).to_pydict()
        found: dict[int, list[int]] = {}
        for partition, offset in zip(rows.get("kafka_partition", ()), rows.get("kafka_offset", ()), strict=True):
            found.setdefault(partition, []).append(offset)
        return [(partition, min(offsets), max(offsets)) for partition, offsets in found.items()]

    def _settled(self) -> dict[int, int]:
        """The offset of each partition below which the table's writer is done: by its rows, written after those of
        quarantine, and by the offsets that it committed. Of a Flink job that is so once it has stopped, see `writer`.
        """
        settled = following_offsets(self.catalog, self.contract.table, self._topic)
        try:
            committed = self.broker.committed([group_of(self.contract)])[group_of(self.contract)]
        except BrokerError:
            if not self.request.quarantined:
                raise
            committed = {}
        for (topic, partition), offset in committed.items():
            if topic == self._topic:
                settled[partition] = max(settled.get(partition, 0), offset)
        return settled

    def _partitions(self) -> dict[str, list[int]]:
        partitions = self.broker.partitions([self._topic])
        if self._topic not in partitions:
            raise ReplayError(
                f"{self.contract.table}: topic {self._topic!r} does not exist, so nothing of it can be read again. "
                "Correct `source.topic` in the contract."
            )
        unknown = sorted(set(self.request.offsets or ()) - set(partitions[self._topic]))
        if unknown:
            raise ReplayError(
                f"{self.contract.table}: topic {self._topic} has no partition {unknown[0]}. Partitions: "
                f"{', '.join(map(str, partitions[self._topic]))}"
            )
        return partitions

    def _at(self, partitions: dict[str, list[int]], moment: datetime) -> dict[int, int]:
        return self._numbers(self.broker.at(partitions, int(moment.timestamp() * 1000)))

    def _numbers(self, offsets: dict[tuple[str, int], int]) -> dict[int, int]:
        return {partition: offset for (_, partition), offset in offsets.items()}

    def _told(self, settled: dict[int, int]) -> str:
        return ",".join(f"{p}:0-{end}" for p, end in sorted(settled.items()))

    @property
    def _topic(self) -> str:
        return self.contract.source.topic


def _below(beginning: dict[int, int]) -> str:
    return " OR ".join(f"(kafka_partition = {p} AND kafka_offset < {offset})" for p, offset in beginning.items())
