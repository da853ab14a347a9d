"""What has been measured of a table so far, in a file, so that a restart goes on where it was.

The file belongs to nobody in particular: the exporter, Dagster and `lakehouse status` each take its lock, look at what
is new, and leave it for the next. Losing it costs the hour behind: measuring starts again at the present version.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.observability.histogram import Histogram
from lakehouse.observability.offsets import Held
from lakehouse.settings import Settings
from lakehouse.storage.tail import Position

#: Of another format, a file is as good as lost.
_FORMAT = 3
#: Commits closer together than this share a record: a table with a commit a second has 360 an hour.
_RECORD_MS = 10_000
#: A dbt model may be so far behind and still be told the latency of its events.
_KEPT_MS = 6 * 3_600_000
#: Of older commits only the age of their oldest event is kept, by the hour; the oldest hours of a month grow together.
_SPAN_MS, _MOST_SPANS = 3_600_000, 24 * 30
#: A look at the table, or an answer of the broker, older than this tells nothing of how fresh the table is now.
STALE_MS = 120_000


@dataclass
class Record:
    """The latencies of the commits ``first`` to ``last``, of which the last was made at ``at_ms``."""

    first: int
    last: int
    began_ms: int
    at_ms: int
    latencies: Histogram

    @property
    def oldest_ms(self) -> int:
        """When its oldest event was produced."""
        return self.at_ms - self.latencies.max_ms

    def as_json(self) -> list[Any]:
        return [self.first, self.last, self.began_ms, self.at_ms, self.latencies.as_json()]

    @classmethod
    def from_json(cls, values: list[Any]) -> "Record":
        first, last, began_ms, at_ms, latencies = values
        return cls(first, last, began_ms, at_ms, Histogram.from_json(latencies))


@dataclass
class Span:
    """Commits up to ``last`` that are too old for a record. Their oldest event was produced at ``oldest_ms``."""

    last: int
    began_ms: int
    oldest_ms: int


@dataclass
class Measured:
    """The state of one table: ``positions`` by Delta table, ``held`` by partition of ``topic``.

    ``refused`` are the invalid and the late events of the last hours: when, how many, how many.
    ``totals``, ``rejected``, ``late``, ``duplicates`` count since the measuring began. ``age_ms`` is how old the oldest
    event was that was not visible at ``asked_ms``; since ``missed_ms`` it has been older than the contract says.
    ``began_empty`` says that all rows of the table were seen, ``caught_up`` that the look at ``looked_ms`` came to the
    end of its log.
    """

    topic: str
    positions: dict[str, Position] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    refused: list[list[int]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    totals: Histogram = field(default_factory=Histogram)
    rejected: dict[str, int] = field(default_factory=dict)
    late: int = 0
    duplicates: int = 0
    last_commit_ms: int = 0
    began_empty: bool = True
    looked_ms: int = 0
    caught_up: bool = True
    age_ms: int | None = None
    asked_ms: int = 0
    missed_ms: int | None = None

    def add(self, version: int, at_ms: int, latencies: Histogram) -> None:
        """Counts the latencies of one commit."""
        self.totals.merge(latencies)
        last = self.records[-1] if self.records else None
        if last is not None and 0 <= at_ms - last.began_ms < _RECORD_MS:
            last.last, last.at_ms = version, max(at_ms, last.at_ms)
            last.latencies.merge(latencies)
        else:
            self.records.append(Record(version, version, at_ms, at_ms, latencies))

    def refuse(self, at_ms: int, invalid: int = 0, late: int = 0) -> None:
        """Counts the events of one commit that the table did not take."""
        if self.refused and 0 <= at_ms - self.refused[-1][0] < _RECORD_MS:
            self.refused[-1][1] += invalid
            self.refused[-1][2] += late
        elif invalid or late:
            self.refused.append([at_ms, invalid, late])

    def refused_since(self, moment_ms: int) -> tuple[int, int]:
        """How many events were invalid since then, and how many late."""
        recent = [entry for entry in self.refused if entry[0] > moment_ms]
        return sum(entry[1] for entry in recent), sum(entry[2] for entry in recent)

    def forget(self, now_ms: int) -> None:
        """Drops the latencies that are too old to be asked for. How old the events were is kept."""
        for record in self.records:
            if record.at_ms <= now_ms - _KEPT_MS:
                self._condense(record)
        self.records = [record for record in self.records if record.at_ms > now_ms - _KEPT_MS]
        self.refused = [entry for entry in self.refused if entry[0] > now_ms - _KEPT_MS]

    def since(self, moment_ms: int) -> Histogram:
        """The latencies of all commits since then."""
        merged = Histogram()
        for record in self.records:
            if record.at_ms > moment_ms:
                merged.merge(record.latencies)
        return merged

    def oldest_behind(self, version: int) -> int | None:
        """When the oldest event of the commits after ``version`` was produced, in ms; None where there are none."""
        spans = [span.oldest_ms for span in self.spans if span.last > version]
        records = [record.oldest_ms for record in self.records if record.last > version]
        return min(spans + records, default=None)

    def current(self, now_ms: int) -> bool:
        """Whether all that was committed is known, so that an event which is not is missing in the table."""
        return self.caught_up and now_ms - self.looked_ms < STALE_MS

    def age_at(self, now_ms: int) -> int | None:
        """``age_ms``; None where that was too long ago to tell of ``now_ms``."""
        return self.age_ms if now_ms - self.asked_ms < STALE_MS else None

    def _condense(self, record: Record) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and record.at_ms - last.began_ms < _SPAN_MS:
            last.last, last.oldest_ms = record.last, min(last.oldest_ms, record.oldest_ms)
            return
        self.spans.append(Span(record.last, record.began_ms, record.oldest_ms))
        if len(self.spans) > _MOST_SPANS:
            first = self.spans.pop(0)
            self.spans[0].oldest_ms = min(first.oldest_ms, self.spans[0].oldest_ms)

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "positions": {name: asdict(position) for name, position in self.positions.items()},
            "held": {str(partition): held.as_json() for partition, held in self.held.items()},
            "records": [record.as_json() for record in self.records],
            "spans": [list(astuple(span)) for span in self.spans],
            "totals": self.totals.as_json(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Measured":
        return cls(
            **{name: values[name] for name in _PLAIN},
            positions={name: Position(**position) for name, position in values["positions"].items()},
            held={int(partition): Held.from_json(held) for partition, held in values["held"].items()},
            records=[Record.from_json(record) for record in values["records"]],
            spans=[Span(*span) for span in values["spans"]],
            totals=Histogram.from_json(values["totals"]),
        )


_PLAIN = (
    "topic", "rejected", "late", "duplicates", "last_commit_ms", "began_empty", "looked_ms", "caught_up",
    "age_ms", "asked_ms", "missed_ms", "refused",
)  # fmt: skip


def state_file(settings: Settings, name: str) -> Path:
    """Where the state of the table ``name`` stands."""
    return settings.state_dir / "freshness" / f"{name}.json"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keeps every other process from changing ``file`` meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_state(file: Path) -> dict[str, Any] | None:
    """What was last stored in ``file``; None where nothing was, or something of another release."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return stored["state"] if stored["format"] == _FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(file: Path, state: dict[str, Any]) -> None:
    """Replaces what stands in ``file``: a crash leaves the one or the other, whole."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({"format": _FORMAT, "state": state}, separators=(",", ":")), encoding="utf-8")
    os.replace(partial, file)
