"""Streaming tables in Dagster: observed, never materialized by it. Their writers are long-running jobs of their own."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from lakehouse.components.observation import column_schema, observe_table, observed_rows
from lakehouse.contracts.columns import StoredColumn
from lakehouse.contracts.loader import load_contracts
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.settings import load_settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import latest_version

DATA_VERSION_TAG = "dagster/data_version"


@dataclass(frozen=True)
class StreamingTable:
    """A table that a contract declares: the contract's own, or its quarantine."""

    name: str
    contract: Contract
    columns: tuple[StoredColumn, ...]
    description: str

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(self.name.split("."))


class StreamingTables(dg.Component, dg.Model, dg.Resolvable):
    """Every contract as an observable source asset, with its topic upstream and a sensor that follows its versions."""

    observe_every_seconds: int = 15

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        settings = load_settings()
        contracts = load_contracts(settings.contracts_dir)
        return streaming_definitions(contracts, Catalog.from_settings(settings), self.observe_every_seconds)


def streaming_definitions(contracts: Sequence[Contract], catalog: Catalog, every_seconds: int) -> dg.Definitions:
    """Topics and tables of ``contracts`` as assets, and the sensor that looks every ``every_seconds``."""
    tables = observed_tables(contracts)
    return dg.Definitions(
        assets=[*_topics(contracts), _observable(tables, catalog)],
        sensors=[version_sensor(tables, catalog, every_seconds)],
    )


def observed_tables(contracts: Sequence[Contract]) -> list[StreamingTable]:
    """The tables that ``contracts`` declare, quarantines included."""
    tables = []
    for contract in contracts:
        tables.append(StreamingTable(contract.table, contract, contract.stored_columns(), contract.description))
        if contract.on_invalid is OnInvalid.QUARANTINE:
            description = f"Messages that do not fit the contract of `{contract.table}`: the reason and the raw bytes."
            tables.append(StreamingTable(contract.rejected_table, contract, contract.rejected_columns(), description))
    return tables


def _topic_key(topic: str) -> dg.AssetKey:
    return dg.AssetKey(["kafka", topic])


def _topics(contracts: Sequence[Contract]) -> list[dg.AssetSpec]:
    topics = sorted({contract.source.topic for contract in contracts})
    return [
        dg.AssetSpec(_topic_key(topic), description=f"Kafka topic `{topic}`", kinds={"kafka"}, group_name="streaming")
        for topic in topics
    ]


def _spec(table: StreamingTable, catalog: Catalog) -> dg.AssetSpec:
    contract = table.contract
    return dg.AssetSpec(
        table.key,
        deps=[_topic_key(contract.source.topic)],
        description=table.description,
        owners=[contract.owner],
        kinds={contract.resolved_engine.value, "deltalake"},
        group_name="streaming",
        metadata={
            "dagster/uri": catalog.uri(table.name),
            "dagster/table_name": table.name,
            "dagster/column_schema": column_schema(table.columns),
            "freshness_contract_seconds": contract.freshness.total_seconds(),
            "consumers": ", ".join(contract.consumers) or "none named",
        },
    )


def _observable(tables: Sequence[StreamingTable], catalog: Catalog) -> dg.AssetsDefinition:
    by_key = {table.key: table for table in tables}

    def observe_streaming_tables(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        for key in sorted(context.selected_asset_keys):
            table = by_key[key]
            last = context.instance.get_latest_materialization_event(key)
            materialization = last.asset_materialization if last else None
            rows_before = observed_rows(materialization.metadata) if materialization else None
            version, metadata = observe_table(catalog, table.name, table.contract, rows_before)
            yield dg.ObserveResult(asset_key=key, data_version=version, metadata=metadata)

    observable = dg.multi_observable_source_asset(specs=[_spec(table, catalog) for table in tables], can_subset=True)
    observed: dg.AssetsDefinition = observable(observe_streaming_tables)
    return observed


def version_sensor(tables: Sequence[StreamingTable], catalog: Catalog, every_seconds: int) -> dg.SensorDefinition:
    """The sensor that reports new versions of ``tables``; its cursor holds the version and rows last reported."""

    @dg.sensor(
        name="streaming_table_versions",
        description="Reports each new Delta version of a streaming table, and nothing while a table stands still.",
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def streaming_table_versions(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor = json.loads(context.cursor) if context.cursor else {}
        events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = []
        for table in tables:
            if not catalog.exists(table.name):
                continue
            seen = cursor.get(table.name, {"version": None, "rows": None})
            if latest_version(catalog, table.name) == seen["version"]:
                continue
            version, metadata = observe_table(catalog, table.name, table.contract, seen["rows"])
            tags = {DATA_VERSION_TAG: version.value}
            # Dagster's freshness reads materializations only, its lineage observations: a new version is both.
            events.append(dg.AssetObservation(table.key, metadata=metadata, tags=tags))
            events.append(dg.AssetMaterialization(table.key, metadata=metadata, tags=tags))
            cursor[table.name] = {"version": int(version.value), "rows": observed_rows(metadata)}
        if not events:
            return dg.SkipReason("no streaming table has a new version")
        return dg.SensorResult(asset_events=events, cursor=json.dumps(cursor))

    return streaming_table_versions
