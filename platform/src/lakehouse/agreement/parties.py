"""Who counts the same events in windows, and from when on a window of each is closed for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse.observability.freshness import tolerance

#: What a table of windows has to have to take part.
COUNTED = ("window_start", "window_end", "status", "order_count", "total_amount_cents")
#: What the events have to have.
_EVENTS = ("status", "amount_cents", "event_time")
#: What the Flink jobs take where their contract says nothing.
_WATERMARK, _LATENESS, _IDLENESS = timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Party:
    """A table of windows."""

    contract: Contract

    @property
    def table(self) -> str:
        return self.contract.table

    @property
    def window(self) -> timedelta:
        transform = self.contract.transform
        assert transform is not None  # noqa: S101  (see trials)
        assert transform.window is not None  # noqa: S101
        return transform.window

    @property
    def slide(self) -> timedelta:
        transform = self.contract.transform
        assert transform is not None  # noqa: S101
        return transform.slide or self.window

    @property
    def lateness(self) -> timedelta:
        """How long behind the watermark an event still counts."""
        job = self.contract.transform is not None and self.contract.transform.job is not None
        return self.contract.event_time.allowed_lateness or (_LATENESS if job else timedelta(0))

    @property
    def delay(self) -> timedelta:
        """How far the newest event has to be behind the end of a window for that to be closed."""
        return (self.contract.event_time.watermark or _WATERMARK) + self.lateness

    @property
    def shows_open_windows(self) -> bool:
        """Whether a window is in the table as soon as it has an event, and not only when the watermark passed it."""
        transform = self.contract.transform
        return transform is not None and transform.output_mode is not OutputMode.APPEND


@dataclass(frozen=True)
class Trial:
    """``parties`` that count the events which the table of ``events`` holds as they came."""

    events: Contract
    parties: tuple[Party, ...]

    @property
    def delay(self) -> timedelta:
        """By when the slowest party has closed a window."""
        return max(party.delay for party in self.parties)

    @property
    def idleness(self) -> timedelta:
        """After how long without events nobody waits for a partition."""
        return max(party.contract.event_time.idleness or _IDLENESS for party in self.parties)

    @property
    def settling(self) -> timedelta:
        """How long an event may take into any of the tables."""
        return max(tolerance(contract) for contract in (self.events, *(party.contract for party in self.parties)))


def trials(contracts: Sequence[Contract]) -> list[Trial]:
    """Of ``contracts`` the tables that hold events, each with those that count them by window and status."""
    found = []
    for events in contracts:
        if events.transform is None and _has(events, _EVENTS):
            parties = tuple(Party(other) for other in contracts if _counts(other, events))
            if parties:
                found.append(Trial(events, parties))
    return found


def _counts(contract: Contract, events: Contract) -> bool:
    transform = contract.transform
    return (
        transform is not None
        and transform.window is not None
        and contract.source.topic == events.source.topic
        and _has(contract, COUNTED)
    )


def _has(contract: Contract, columns: Sequence[str]) -> bool:
    return set(columns) <= {column.name for column in contract.columns}
