"""How fresh dbt's tables are, as Dagster plots it: observed beside the materializations that dbt's runs report."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import dagster as dg

from lakehouse.components.freshness import freshness_metadata
from lakehouse.observability.marts import MartFreshness

#: What is known of each of dbt's tables that reads a stream.
MeasuredMarts = Callable[[], Mapping[str, MartFreshness]]
#: An age changes with every look. It is told when it has moved by half, and by a minute: an observation costs 3 KB.
_SHARE, _LEAST_SECONDS = 0.5, 60.0


def no_marts() -> Mapping[str, MartFreshness]:
    """Of no table anything is known."""
    return {}


def mart_observations(
    marts: Mapping[str, MartFreshness], cursor: MutableMapping[str, Any]
) -> list[dg.AssetObservation]:
    """The tables with a new version, or with another age than ``cursor`` holds by table; notes there what is told.

    They carry no data version: that is told by the run which made it, and nothing starts by an age.
    """
    observations = []
    for name, mart in sorted(marts.items()):
        told = cursor.get(name, {"version": None, "age": None})
        if mart.version == told["version"] and not _moved(told["age"], mart.age):
            continue
        metadata = {"delta_version": dg.MetadataValue.int(mart.version), **freshness_metadata(mart)}
        observations.append(dg.AssetObservation(dg.AssetKey(name.split(".")), metadata=metadata))
        cursor[name] = {"version": mart.version, "age": mart.age}
    return observations


def _moved(before: float | None, now: float | None) -> bool:
    if now is None:
        return False  # The broker does not answer: a point less in the plot.
    return before is None or abs(now - before) >= max(before * _SHARE, _LEAST_SECONDS)
