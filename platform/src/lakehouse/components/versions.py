"""The sensor that follows the versions of streaming tables: it tells a new one, and costs next to nothing without."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from lakehouse.components.assets import StreamingTable
from lakehouse.components.freshness import MeasuredFreshness, not_measured
from lakehouse.components.marts import MeasuredMarts, mart_observations, no_marts
from lakehouse.components.observation import observation, observed_columns
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.growth import Known, follow

DATA_VERSION_TAG = "dagster/data_version"
_Told = list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]


def version_sensor(
    tables: Sequence[StreamingTable],
    catalog: Catalog,
    every_seconds: int,
    measured: MeasuredFreshness = not_measured,
    marts: MeasuredMarts = no_marts,
    lags: Callable[[], Mapping[str, int]] = dict,
) -> dg.SensorDefinition:
    """The sensor that reports new versions of ``tables``, and how fresh dbt's tables are.

    Its cursor holds what was last told of each table, with its place in the log, and of dbt's tables version and age.
    """

    @dg.sensor(
        name="streaming_table_versions",
        description="Reports each new Delta version of a streaming table, and how fresh dbt's tables are.",
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def streaming_table_versions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        moved = _moved(tables, catalog, cursor)
        events: _Told = []
        if moved:
            # Once a tick: what a thousand tables are measured for takes longer than a measurement is shared.
            freshness, behind = measured(), lags()
            for table, before, now in moved:
                rows_before = before.stats.rows if before else None
                version, metadata = observation(
                    table.declared, now.stats, rows_before, freshness.get(table.name), behind.get(table.name)
                )
                tags = {DATA_VERSION_TAG: version.value}
                # Dagster's freshness reads materializations only, its lineage observations: a new version is both.
                events.append(dg.AssetObservation(table.key, metadata=metadata, tags=tags))
                events.append(dg.AssetMaterialization(table.key, metadata=metadata, tags=tags))
                cursor[table.name] = now.as_json()
        events += mart_observations(marts(), cursor)
        if not events:
            return dg.SkipReason("no streaming table has a new version, and no age of dbt's tables has changed much")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(cursor))

    return streaming_table_versions


def _moved(
    tables: Sequence[StreamingTable], catalog: Catalog, cursor: Mapping[str, Any]
) -> list[tuple[StreamingTable, Known | None, Known]]:
    """The tables with a commit that ``cursor`` does not hold: what was known of each, and what is now."""
    moved = []
    for table in tables:
        told = cursor.get(table.name, {})
        # A cursor of an earlier release knows no place in the log: all is told once more.
        before = Known.from_json(told) if "digest" in told else None
        now = follow(catalog, table.name, observed_columns(table.declared), before)
        if now is not None and now is not before:
            moved.append((table, before, now))
    return moved
