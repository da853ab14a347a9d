"""What to generate: the parameters, checked."""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.errors import LakehouseError

TOPIC = "orders.events"
DEFAULT_SPAN = timedelta(days=3)
DEFAULT_CUSTOMERS = 10_000

#: An endless stream lives its orders within minutes, so that a watcher sees every status.
_LIVE_LIFETIME = timedelta(minutes=5)
_BULK_LIFETIME = timedelta(hours=36)

#: Bounds the open orders, and with them memory: about 10 MB of events that wait for their turn.
_MAX_LIFETIME_EVENTS = 500_000
_MAX_WINDOW = 8192
_LIVE_WINDOW_SECONDS = 0.1


class GeneratorError(LakehouseError):
    """A parameter of the generator is out of its range."""


def new_seed() -> int:
    """A seed that no other run is likely to have."""
    return secrets.randbits(32)


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Parameters of one stream of order events. Equal values give equal bytes.

    ``events`` is the number of messages (None: endless). With ``rate`` (messages per second) an event happens
    when it is sent, beginning at ``start`` (default: now). Without, as fast as possible, and event times are
    spread evenly over ``span``, beginning at ``start`` (default: ``span`` ago).

    ``duplicates`` and ``malformed`` are fractions of all messages; ``late`` is the fraction of the other ones
    whose event_time lies 11 minutes to 2 days (plus the age of the order) before their turn.

    Raises GeneratorError for a value out of its range.
    """

    events: int | None = None
    rate: float | None = None
    late: float = 0.0
    duplicates: float = 0.0
    malformed: float = 0.0
    seed: int = field(default_factory=new_seed)
    topic: str = TOPIC
    start: datetime | None = None
    span: timedelta = DEFAULT_SPAN
    customers: int = DEFAULT_CUSTOMERS

    def __post_init__(self) -> None:
        for name in ("late", "duplicates", "malformed"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise GeneratorError(f"{name}={value!r}: expected a fraction from 0 to 1, for example 0.05")
        if self.duplicates + self.malformed >= 1:
            raise GeneratorError(
                f"duplicates={self.duplicates!r} and malformed={self.malformed!r} leave no original event: "
                "expected a sum below 1"
            )
        if self.events is None and self.rate is None:
            raise GeneratorError("events and rate are both absent: an endless stream needs a rate")
        for name in ("events", "rate", "customers"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise GeneratorError(f"{name}={value!r}: expected a number above 0")
        if not 0 <= self.seed < 2**63:
            raise GeneratorError(f"seed={self.seed!r}: expected an integer from 0 to 2^63-1")
        if self.span <= timedelta(0):
            raise GeneratorError(f"span={self.span}: expected a duration above 0, for example 3 days")
        if self.start is not None and self.start.tzinfo is None:
            raise GeneratorError(f"start={self.start}: expected a time with its zone, for example 2026-01-01T00:00:00Z")
        if self.start is None:
            now = datetime.now(UTC)
            object.__setattr__(self, "start", now if self.rate is not None else now - self.span)

    def parameters(self) -> dict[str, object]:
        """All fields as JSON-ready values; ``start`` in ISO 8601, ``span`` in seconds."""
        assert self.start is not None  # noqa: S101  # set in __post_init__
        return asdict(self) | {"start": self.start.isoformat(), "span": self.span.total_seconds()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "GeneratorConfig":
        """The configuration that ``parameters()`` came from, so that a manifest's stream can be made again."""
        start = datetime.fromisoformat(parameters["start"])
        return cls(**{**parameters, "start": start, "span": timedelta(seconds=parameters["span"])})

    @property
    def start_ms(self) -> int:
        """Event time of the first turn, milliseconds since the epoch."""
        assert self.start is not None  # noqa: S101  # set in __post_init__
        return round(self.start.timestamp() * 1000)

    @property
    def step_ms(self) -> float:
        """Event time from one message to the next, in milliseconds."""
        if self.rate is not None:
            return 1000.0 / self.rate
        assert self.events is not None  # noqa: S101  # __post_init__ wants one of the two
        return self.span / timedelta(milliseconds=1) / self.events

    @property
    def window(self) -> int:
        """Messages generated at once: enough to vectorise, few beside the length of the stream."""
        wanted = self.rate * _LIVE_WINDOW_SECONDS if self.rate is not None else (self.events or 0) / 64
        return int(min(max(wanted, 1), _MAX_WINDOW))

    @property
    def lifetime_slots(self) -> float:
        """Messages that pass, on average, from an order's placing to its delivery."""
        wanted = _LIVE_LIFETIME if self.rate is not None else min(_BULK_LIFETIME, self.span / 4)
        return min(wanted / timedelta(milliseconds=1) / self.step_ms, _MAX_LIFETIME_EVENTS)
