"""One run of dbt for one step of Dagster, and what Dagster is told of it."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

import dagster as dg
from dagster._core.utils import exhaust_iterator_and_yield_results_with_exception
from dagster_dbt import DbtCliResource
from dagster_dbt.core.dbt_event_iterator import DbtEventIterator

from lakehouse.components.backfill import built_by, joined, note_built, waiting_beside
from lakehouse.components.changed_days import ChangedDays
from lakehouse.components.daily import asked_days, ensure_day
from lakehouse.components.dbt_engine import DbtEngine
from lakehouse.storage.catalog import Catalog


def build_models(
    context: dg.AssetExecutionContext,
    dbt_cli: DbtCliResource,
    engine: DbtEngine,
    catalog: Catalog,
    daily: Mapping[dg.AssetKey, str],
) -> Iterator[Any]:
    """Builds the selected models: the days that the run asks for anew, and in any case what changed.

    ``daily`` are the models by the day, with the column that holds a row's time. Each day on which a row of theirs has
    changed is reported as a materialization of it.
    """
    ensure_day(context)
    days = asked_days(context)
    if days and (built := built_by(context)):
        context.log.info("%s was computed by run %s of the same backfill", days.first, built)
        yield from (
            dg.MaterializeResult(asset_key=key, metadata={"built_by": dg.MetadataValue.dagster_run(built)})
            for key in context.job_def.asset_layer.asset_graph.toposorted_asset_keys
            if key in context.selected_asset_keys
        )
        return
    waiting = waiting_beside(context) if days else {}
    days = joined(days, waiting) if days else None
    changed = ChangedDays(catalog, {_table(key): daily[key] for key in context.selected_asset_keys & daily.keys()})
    on_spark = engine is DbtEngine.SPARK
    # An argument, and no setting of the resource, by which Dagster's own process would start Spark, too, to count rows.
    # So DuckDB counts them, whoever wrote them.
    target = ["--target", "spark"] if on_spark else []
    command = ["build", *target, *(days.arguments if days else [])]
    invocation = dbt_cli.cli(command, context=context)
    events = DbtEventIterator(_when_all_are_there(invocation.stream()), invocation).fetch_row_counts()
    # Where columns come from is read from SQL that was compiled for DuckDB.
    for event in events.fetch_column_metadata(with_column_lineage=not on_spark):
        yield event
        if isinstance(event, dg.Output) and (key := context.asset_key_for_output(event.output_name)) in daily:
            yield from _materialized_days(context, key, changed)
    if days:
        note_built(context, days, waiting)


def _when_all_are_there(events: Iterator[Any]) -> Iterator[Any]:
    """``events`` once dbt has ended, and then the error that it ended with.

    What adds metadata to them waits for that end, too, as DuckDB lets nobody else into its file, but asks for it
    without a pause: one core for as long as dbt runs.
    """
    there = exhaust_iterator_and_yield_results_with_exception(events)
    return chain([*islice(there, 1)], there)


def _materialized_days(
    context: dg.AssetExecutionContext, key: dg.AssetKey, changed: ChangedDays
) -> Iterator[dg.AssetMaterialization]:
    """Of the changed days those that the run itself is not of, which Dagster adds."""
    partitions = context.assets_def.specs_by_key[key].partitions_def
    known = set(partitions.get_partition_keys()) if partitions else set()
    for day in changed.of(_table(key)):
        if day.isoformat() in known - set(context.partition_keys):
            yield dg.AssetMaterialization(key, partition=day.isoformat())


def _table(key: dg.AssetKey) -> str:
    return ".".join(key.path)
