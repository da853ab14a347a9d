"""Measured freshness as Dagster shows it: numbers to plot."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from lakehouse.contracts.model import Contract
from lakehouse.observability.freshness import Freshness, measure
from lakehouse.observability.lag import consumer_lags
from lakehouse.observability.marts import MartFreshness, measure_marts
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog

#: What is known of each streaming table; of a table that was never measured nothing.
MeasuredFreshness = Callable[[], Mapping[str, Freshness]]
#: The sensors of one tick share a measurement, and a broker that is down keeps none of them for long.
_SHARED_SECONDS, _BROKER_SECONDS = 5.0, 5.0


@dataclass
class FreshnessMeter:
    """Measures the tables of ``contracts``, and dbt's downstream of them, when asked.

    At most every five seconds, from whichever thread asks.
    """

    settings: Settings
    catalog: Catalog
    contracts: Sequence[Contract]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _measured: "_Measured | None" = None

    def __call__(self) -> Mapping[str, Freshness]:
        """What is known now. Without an answer of the broker: latencies, and no age."""
        return self._shared().streams

    def marts(self) -> Mapping[str, MartFreshness]:
        """What is known now of dbt's tables."""
        return self._shared().marts

    def lags(self) -> Mapping[str, int]:
        """How many events each table's writer has still to read; nothing without an answer of the broker."""
        return self._shared().lags

    def _shared(self) -> "_Measured":
        with self._lock:
            if self._measured is None or time.monotonic() - self._measured.at > _SHARED_SECONDS:
                streams, lags = self._measure()
                marts = measure_marts(self.settings, self.catalog, self.contracts)
                self._measured = _Measured(time.monotonic(), streams, lags, marts)
            return self._measured

    def _measure(self) -> tuple[Mapping[str, Freshness], Mapping[str, int]]:
        # The client takes a good part of the time that the definitions have to load.
        from lakehouse.observability.broker import Broker
        from lakehouse.observability.messages import BrokerError

        try:
            with Broker(self.settings.kafka, _BROKER_SECONDS) as broker:
                streams = measure(self.settings, self.catalog, self.contracts, broker)
                return streams, consumer_lags(self.contracts, broker)
        except BrokerError:
            return measure(self.settings, self.catalog, self.contracts, None), {}


@dataclass(frozen=True)
class _Measured:
    at: float
    streams: Mapping[str, Freshness]
    lags: Mapping[str, int]
    marts: Mapping[str, MartFreshness]


def not_measured() -> Mapping[str, Freshness]:
    """Of no table anything is known."""
    return {}


def freshness_metadata(freshness: Freshness | MartFreshness) -> dict[str, dg.MetadataValue]:
    """The numbers of a table, which Dagster plots over time. What is not known is left out, and not 0."""
    seconds = {
        "freshness_seconds": freshness.age,
        "latency_p50_seconds": freshness.median,
        "latency_p95_seconds": freshness.p95,
        "latency_max_seconds": freshness.longest,
    }
    return {name: dg.MetadataValue.float(round(value, 3)) for name, value in seconds.items() if value is not None}
