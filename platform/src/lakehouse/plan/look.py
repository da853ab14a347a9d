"""Finds out what there is: tables, checkpoints, jobs and queries, topics. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.contracts import Contract, Engine, declared_tables
from lakehouse.errors import LakehouseError
from lakehouse.flink.control import stopped_at
from lakehouse.flink.generation import checked_generation
from lakehouse.flink.rest import Job, JobManager
from lakehouse.flink.spec import FINGERPRINT, job_spec, noted_contract
from lakehouse.plan.engines import platform_jobs, progress, refuse_to_leave
from lakehouse.plan.found import Found, FoundTable, Topic, Writer
from lakehouse.plan.steps import Changed
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, table_stats
from lakehouse.storage.create import compare_table
from lakehouse.storage.offsets import following_offsets
from lakehouse_spark.noted import noted_contracts


@dataclass(frozen=True)
class QueryPlans:
    """What only Spark can tell, from its checkpoints: the tables that it would compute anew, those whose query it would
    not start, with the reason, and what has ``changed`` since a checkpoint over which it would go on.
    """

    replays: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, tuple[Changed, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What can be asked. ``code`` is that of Flink's jobs as they would be submitted now.

    ``spark_runs`` and ``broker_answers`` say whom to ask, ``queries`` what Spark tells of its own.
    """

    settings: Settings
    manager: JobManager
    code: str
    spark_runs: bool
    broker_answers: bool
    queries: QueryPlans = field(default_factory=QueryPlans)

    def jobs(self) -> list[Job]:
        """The platform's jobs that run; the newest of a name is the last."""
        return platform_jobs(self.settings, self.manager)

    def working(self) -> Mapping[str, Mapping[str, Any]]:
        """The contracts that the Spark application works by, by table; empty while it does not run."""
        return noted_contracts(self.settings) if self.spark_runs else {}

    def rows(self, table: str) -> int | None:
        """How many rows a table has; None where there is none."""
        catalog = Catalog.from_settings(self.settings)
        return table_stats(catalog, table).rows if catalog.exists(table) else None

    def found(self, contract: Contract, jobs: Sequence[Job]) -> Found:
        """What there is of ``contract``, with ``jobs`` running."""
        catalog = Catalog.from_settings(self.settings)
        writers = self._writers(contract, jobs)
        has = progress(self.settings, contract, jobs) | writers.keys()
        begins = contract.resolved_engine not in has
        replays = contract.table in self.queries.replays
        asks = self.broker_answers and (begins or replays) and contract.source.table is None
        topic = self._topic(contract, catalog if replays else None) if asks else None
        following = (
            following_offsets(catalog, contract.table, contract.source.topic)
            if begins and contract.transform is None
            else {}
        )
        noted = {Engine.FLINK: noted_contract(self.settings, contract.table)}
        noted[Engine.SPARK] = noted_contracts(self.settings).get(contract.table)
        return Found(
            tables={table.name: _table(catalog, contract, table.name) for table in declared_tables(contract)},
            progress=has,
            writers=writers,
            noted={engine: fields for engine, fields in noted.items() if fields is not None},
            following=following,
            topic=topic,
            topic_missing=topic is None and asks,
            refusals=tuple(self._refusals(contract, has, jobs)),
            replays=replays,
            checkpoint=self.queries.changed.get(contract.table, ()),
            stopped=contract.resolved_engine is Engine.FLINK and stopped_at(self.settings, contract.table) is not None,
        )

    def _writers(self, contract: Contract, jobs: Sequence[Job]) -> dict[Engine, Writer]:
        writers = {}
        if (query := self.working().get(contract.table)) is not None:
            writers[Engine.SPARK] = Writer(query, query == contract.writer_fields())
        if job := next((job for job in reversed(jobs) if job.name == contract.table), None):
            noted = noted_contract(self.settings, contract.table) or contract.writer_fields()
            writers[Engine.FLINK] = Writer(noted, self._is_current(contract, job))
        return writers

    def _is_current(self, contract: Contract, job: Job) -> bool:
        if contract.resolved_engine is not Engine.FLINK or job.state == "INITIALIZING":
            return True
        try:
            wanted = job_spec(self.settings, contract, self.code).fingerprint
        except LakehouseError:
            return True  # It is refused, see _refusals.
        return self.manager.parameters(job.id).get(FINGERPRINT) == wanted

    def _refusals(self, contract: Contract, has: frozenset[Engine], jobs: Sequence[Job]) -> list[str]:
        if reason := self.queries.refused.get(contract.table):
            return [reason]
        try:
            if all(job.name != contract.table for job in jobs):
                refuse_to_leave(self.settings, contract)
            if contract.resolved_engine is Engine.FLINK:
                job_spec(self.settings, contract, self.code)
                if Engine.FLINK in has:
                    checked_generation(self.settings, contract)
        except LakehouseError as error:
            return [str(error)]
        return []

    def _topic(self, contract: Contract, replayed: Catalog | None) -> Topic | None:
        """What the broker holds of the contract's topic; None where there is no such topic.

        Of a table that is computed anew, ``replayed`` has the rows.
        """
        from lakehouse_spark.broker import TopicMissingError, TopicOffsets
        from lakehouse_spark.history import complete_from
        from lakehouse_spark.takeover import unfinished_since

        with TopicOffsets(self.settings.kafka, contract.source.topic) as broker:
            try:
                partitions = broker.partitions()
            except TopicMissingError:
                return None
            beginning, end = broker.beginning(partitions), broker.end(partitions)
            if replayed is None:
                return Topic(beginning, end)
            return Topic(beginning, end, complete_from(broker, beginning, unfinished_since(replayed, contract)))


def _table(catalog: Catalog, contract: Contract, name: str) -> FoundTable | None:
    if not catalog.exists(name):
        return None
    wanted = next(table for table in declared_tables(contract) if table.name == name)
    table = catalog.open(name)
    there = {column.name for column in table.schema().fields}
    stats = table_stats(catalog, name, [wanted.time_column] if wanted.time_column in there else [])
    newest = stats.maxima.get(wanted.time_column)
    return FoundTable(
        compare_table(table, wanted, contract), stats.rows, newest if isinstance(newest, datetime) else None
    )
