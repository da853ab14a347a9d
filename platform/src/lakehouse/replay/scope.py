"""Which rows of the live table a replay stands for: these it may replace, and no others."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from lakehouse.storage.sql import literal, quoted

#: The relation with the coordinates of the quarantined events that are replayed.
QUARANTINED = "main.quarantined"


class Scope(BaseModel):
    """Rows that came from ``offsets`` (from inclusive, to exclusive) of ``topic``; or those of a computed table whose
    ``column`` lies between ``since`` (inclusive, None: ever since) and ``until`` (exclusive).

    ``quarantine_version`` limits it to events that quarantine held at that version.
    """

    model_config = ConfigDict(frozen=True)

    topic: str
    offsets: dict[int, tuple[int, int]] = {}
    column: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    quarantine_version: int | None = None

    @property
    def condition(self) -> str:
        """SQL for the rows of the table."""
        parts = [*self._of_offsets(), *self._of_times()]
        if self.quarantine_version is not None:
            parts.append(f"(kafka_partition, kafka_offset) IN (FROM {QUARANTINED})")
        return " AND ".join(parts)

    @property
    def in_spark(self) -> str:
        """The same in Spark's SQL."""
        return _for_spark(self.condition)

    @property
    def rejected_in_spark(self) -> str:
        """``rejected_condition`` of the range, whatever quarantine held of it, in Spark's SQL."""
        return _for_spark(self.without_quarantine().rejected_condition)

    @property
    def rejected_condition(self) -> str:
        """SQL for the rows of its quarantine table. One that stands for lost events has no timestamp, and stays."""
        return f"{self.condition} AND kafka_timestamp IS NOT NULL"

    def without_quarantine(self) -> "Scope":
        """The same range, of all events."""
        return self.model_copy(update={"quarantine_version": None})

    def overlaps(self, other: "Scope") -> bool:
        """Whether a row may lie in both."""
        if self.offsets and other.offsets:
            return any(
                start < other.offsets[p][1] and other.offsets[p][0] < end
                for p, (start, end) in self.offsets.items()
                if p in other.offsets
            )
        return _before(self.since, other.until) and _before(other.since, self.until)

    def __str__(self) -> str:
        if self.column is None or self.offsets:
            return f"{self.topic} " + ", ".join(f"[{p}] {a} to {b - 1}" for p, (a, b) in sorted(self.offsets.items()))
        since = "the beginning" if self.since is None else f"{self.since:%Y-%m-%d %H:%M}"
        return f"{self.column} {since} to {self.until:%Y-%m-%d %H:%M}"

    def _of_offsets(self) -> list[str]:
        if not self.offsets:
            return []
        # The first two are what files are skipped by.
        first, last = min(start for start, _ in self.offsets.values()), max(end for _, end in self.offsets.values())
        ranges = " OR ".join(
            f"(kafka_partition = {p} AND kafka_offset >= {start} AND kafka_offset < {end})"
            for p, (start, end) in sorted(self.offsets.items())
        )
        return [
            f"kafka_offset >= {first}",
            f"kafka_offset < {last}",
            f"({ranges})",
            f"kafka_topic = {literal(self.topic)}",
        ]

    def _of_times(self) -> list[str]:
        if self.column is None:
            return []
        bounds = ((">=", self.since), ("<", self.until))
        return [
            f"{quoted(self.column)} {sign} TIMESTAMPTZ {literal(moment.astimezone(UTC).isoformat())}"
            for sign, moment in bounds
            if moment is not None
        ]


def _before(since: datetime | None, until: datetime | None) -> bool:
    return since is None or until is None or since < until


def _for_spark(condition: str) -> str:
    return condition.replace("TIMESTAMPTZ", "TIMESTAMP").replace('"', "`")
