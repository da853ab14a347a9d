"""Streaming tables and topics as assets: what the catalogue tells of each before it was ever observed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from lakehouse.components.lineage import column_lineage
from lakehouse.components.observation import column_schema
from lakehouse.components.references import code_references, contract_files
from lakehouse.contracts.columns import stored
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.fit import decision_of, misfits
from lakehouse.contracts.model import Contract
from lakehouse.contracts.tables import DeclaredTable, declared_tables
from lakehouse.local.flink import rest_url
from lakehouse.observability.freshness import tolerance
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog

_GROUP = "streaming"
#: Dagster refuses a shorter one.
_SHORTEST_POLICY = timedelta(minutes=1)


@dataclass(frozen=True)
class StreamingTable:
    """A table that a contract declares: the contract's own, its quarantine, its late events."""

    declared: DeclaredTable
    contract: Contract

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def key(self) -> dg.AssetKey:
        return dg.AssetKey(self.name.split("."))

    @property
    def upstream(self) -> dg.AssetKey:
        """The topic or the table that its rows are made of."""
        table = self.contract.source.table
        return dg.AssetKey(table.split(".")) if table else topic_key(self.contract.source.topic)


@dataclass(frozen=True)
class Place:
    """Where the tables' writers and code are, for links. ``files`` are those of the contracts, by table."""

    settings: Settings
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Place":
        return cls(settings, contract_files(settings))

    def metadata(self, contract: Contract) -> dict[str, Any]:
        """Links to the engine's web interface and to the code."""
        settings = self.settings
        if contract.resolved_engine is Engine.FLINK:
            links = {"flink_ui": dg.MetadataValue.url(f"{rest_url(settings)}/#/job/running")}
        else:
            links = {"spark_ui": dg.MetadataValue.url(f"http://127.0.0.1:{settings.spark_ui_port}/StreamingQuery/")}
        references = code_references(settings, contract, self.files.get(contract.table))
        return {**links, **({"dagster/code_references": references} if references else {})}


def observed_tables(contracts: Sequence[Contract]) -> list[StreamingTable]:
    """The tables that ``contracts`` declare."""
    return [StreamingTable(table, contract) for contract in contracts for table in declared_tables(contract)]


def topic_key(topic: str) -> dg.AssetKey:
    return dg.AssetKey(["kafka", topic])


def table_spec(table: StreamingTable, catalog: Catalog, place: Place | None = None) -> dg.AssetSpec:
    """The asset of ``table``; with links where ``place`` tells."""
    contract = table.contract
    return dg.AssetSpec(
        table.key,
        deps=[table.upstream],
        description=table.declared.description,
        owners=[contract.owner],
        kinds={contract.resolved_engine.value, "deltalake"},
        group_name=_GROUP,
        freshness_policy=_freshness_policy(table),
        metadata={
            "dagster/uri": catalog.uri(table.name),
            "dagster/table_name": table.name,
            "dagster/column_schema": column_schema(table.declared.columns),
            "dagster/column_lineage": column_lineage(contract, table.declared.columns, table.upstream),
            "path": dg.MetadataValue.path(catalog.uri(table.name)),
            "freshness_contract_seconds": contract.freshness.total_seconds(),
            "consumers": ", ".join(contract.consumers) or "none named",
            "engine": f"{contract.resolved_engine} ({contract.engine})",
            "engine_rule": str(decision_of(contract).rule),
            "engine_warnings": dg.MetadataValue.md("\n".join(f"- {misfit}" for misfit in misfits(contract)) or "none"),
            **(place.metadata(contract) if place else {}),
        },
    )


def _freshness_policy(table: StreamingTable) -> dg.FreshnessPolicy | None:
    """How long the table may go without a new version, as Dagster's own freshness has it; None where nobody can tell.

    That is where rows do not follow from events alone: invalid and late ones, patterns, sessions.
    """
    contract, transform = table.contract, table.contract.transform
    if table.name != contract.table:
        return None
    # A pattern is looked for in a window too, and its rows have none.
    if transform and (transform.window is None or "window_start" not in contract.keys):
        return None
    step = (transform.step if transform else None) or timedelta(0)
    window = contract.freshness + tolerance(contract) + step
    return dg.FreshnessPolicy.time_window(fail_window=max(window, _SHORTEST_POLICY))


def topic_specs(contracts: Sequence[Contract], place: Place | None = None) -> list[dg.AssetSpec]:
    """The topics that ``contracts`` read and write, each with the fields of its messages."""
    written = {contract.also_to.topic: contract for contract in contracts if contract.also_to}
    # Of several readers the one that keeps the events as they came answers for what they are.
    by_plainness = sorted(contracts, key=lambda contract: contract.transform is None)
    read = {contract.source.topic: contract for contract in by_plainness if contract.source.table is None}
    servers = {"bootstrap_servers": place.settings.kafka_bootstrap_servers} if place else {}
    return [
        _written_topic(topic, written[topic], servers) if topic in written else _read_topic(topic, read[topic], servers)
        for topic in sorted(read | written)
    ]


def _read_topic(topic: str, reader: Contract, servers: Mapping[str, str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        topic_key(topic),
        description=f"Kafka topic `{topic}`: the events that {reader.table} is made of, as JSON.",
        owners=[reader.owner],
        kinds={"kafka"},
        group_name=_GROUP,
        metadata={"dagster/column_schema": column_schema(tuple(map(stored, reader.event_columns))), **servers},
    )


def _written_topic(topic: str, writer: Contract, servers: Mapping[str, str]) -> dg.AssetSpec:
    columns, origin = tuple(map(stored, writer.columns)), topic_key(writer.source.topic)
    return dg.AssetSpec(
        topic_key(topic),
        deps=[origin],
        description=f"Kafka topic `{topic}`: the rows of {writer.table}, as JSON.",
        owners=[writer.owner],
        kinds={"kafka", writer.resolved_engine.value},
        group_name=_GROUP,
        metadata={
            "dagster/column_schema": column_schema(columns),
            "dagster/column_lineage": column_lineage(writer, columns, origin),
            **servers,
        },
    )
