"""Streaming tables in Dagster: observed, never materialized by it. Their writers are long-running jobs of their own."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg

from lakehouse.components.agreement import EngineAgreement, agreement_definitions
from lakehouse.components.assets import Place, StreamingTable, observed_tables, table_spec, topic_specs
from lakehouse.components.flink import known_jobs
from lakehouse.components.freshness import FreshnessMeter, MeasuredFreshness, not_measured
from lakehouse.components.marts import MeasuredMarts, no_marts
from lakehouse.components.observation import observation, observed_columns, observed_rows
from lakehouse.components.stream_checks import StreamChecks, stream_check_definitions, stream_checks
from lakehouse.components.versions import version_sensor
from lakehouse.contracts.loader import load_contracts
from lakehouse.contracts.model import Contract
from lakehouse.settings import load_settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import table_stats


class StreamingTables(dg.Component, dg.Model, dg.Resolvable):
    """Every contract as an observable source asset, with its topic upstream and a sensor that follows its versions."""

    observe_every_seconds: int = 15

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        settings = load_settings()
        contracts = load_contracts(settings.contracts_dir)
        catalog = Catalog.from_settings(settings)
        meter = FreshnessMeter(settings, catalog, contracts)
        jobs = known_jobs(settings, contracts)
        # Writers in pods note nothing on this machine, and their JobManagers are not the local one.
        judged = stream_checks(writers_here=settings.dagster_steps == "processes")
        checks = StreamChecks(contracts, catalog, settings.run_dir, meter, meter.lags, jobs, judged)
        return dg.Definitions.merge(
            streaming_definitions(
                contracts, catalog, self.observe_every_seconds, meter, meter.marts, meter.lags, Place.of(settings)
            ),
            stream_check_definitions(checks, self.observe_every_seconds),
            agreement_definitions(EngineAgreement(contracts, catalog)),
        )


def streaming_definitions(
    contracts: Sequence[Contract],
    catalog: Catalog,
    every_seconds: int,
    measured: MeasuredFreshness = not_measured,
    marts: MeasuredMarts = no_marts,
    lags: Callable[[], Mapping[str, int]] = dict,
    place: Place | None = None,
) -> dg.Definitions:
    """Topics and tables of ``contracts`` as assets, and the sensor that looks every ``every_seconds``.

    ``measured`` tells how fresh the tables are, ``marts`` how fresh dbt's are that read them, ``lags`` what the
    writers have still to read, ``place`` where engines and code are.
    """
    tables = observed_tables(contracts)
    return dg.Definitions(
        assets=[*topic_specs(contracts, place), _observable(tables, catalog, measured, place)],
        sensors=[version_sensor(tables, catalog, every_seconds, measured, marts, lags)],
    )


def _observable(
    tables: Sequence[StreamingTable], catalog: Catalog, measured: MeasuredFreshness, place: Place | None
) -> dg.AssetsDefinition:
    by_key = {table.key: table for table in tables}

    def observe_streaming_tables(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        freshness = measured()
        for key in sorted(context.selected_asset_keys):
            table = by_key[key]
            last = context.instance.get_latest_materialization_event(key)
            materialization = last.asset_materialization if last else None
            rows_before = observed_rows(materialization.metadata) if materialization else None
            stats = table_stats(catalog, table.name, maxima_of=observed_columns(table.declared))
            version, metadata = observation(table.declared, stats, rows_before, freshness.get(table.name))
            yield dg.ObserveResult(asset_key=key, data_version=version, metadata=metadata)

    observable = dg.multi_observable_source_asset(
        specs=[table_spec(table, catalog, place) for table in tables], can_subset=True
    )
    observed: dg.AssetsDefinition = observable(observe_streaming_tables)
    return observed
