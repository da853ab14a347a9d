"""The plan of the local stack: what the contracts want, against what its programs do and its tables are."""

from collections.abc import Sequence
from dataclasses import replace

from lakehouse.contracts import Contract, Engine, load_contracts
from lakehouse.local.applied import is_applied
from lakehouse.local.build import sources_fingerprint
from lakehouse.local.flink import job_manager
from lakehouse.local.journal import Journal
from lakehouse.local.kafka import broker_answers
from lakehouse.local.programs import ENGINES
from lakehouse.local.supervisor import Supervisor
from lakehouse.plan import Plan
from lakehouse.plan.engines import progress
from lakehouse.plan.found import Stack
from lakehouse.plan.look import Look, QueryPlans
from lakehouse.plan.make import make_plan
from lakehouse.plan.steps import Changed
from lakehouse.settings import Settings
from lakehouse_spark.noted import noted_contracts


def plan_stack(settings: Settings, only: str | None = None) -> Plan:
    """What `apply` would do, or of that what it would with the table ``only``.

    Asks what runs, and starts a Spark of its own where only that knows of a query; changes nothing.
    """
    contracts = load_contracts(settings.contracts_dir)
    states = Supervisor(settings).states()
    spark_runs = "spark" in states and states["spark"].alive
    look = Look(
        settings,
        job_manager(settings),
        sources_fingerprint(settings, "flink"),
        spark_runs=spark_runs,
        broker_answers=broker_answers(settings) is None,
        queries=_ask_spark(settings, [contract for contract in contracts if only in (None, contract.table)]),
    )
    runs = any(state.alive for state in states.values())
    # One that was started and has given up is not one that was left out on purpose.
    engines = {engine for engine, names in ENGINES.items() if any(n in states and states[n].started for n in names)}
    stack = Stack(runs, frozenset(engines))
    planned = make_plan(look, contracts, stack, interrupted=bool(Journal(settings).programs()), only=only)
    return replace(planned, unread=runs and not is_applied(settings))


def _ask_spark(settings: Settings, contracts: Sequence[Contract]) -> QueryPlans:
    if not any(_only_spark_knows(settings, contract) for contract in contracts):
        return QueryPlans()
    # Imported here, where a Spark is needed: with its JVM it takes seconds.
    from lakehouse_spark.plan import Refusal, plan_queries
    from lakehouse_spark.query import Outcome

    refused, replays, changed = {}, set(), {}
    for planned in plan_queries(settings):
        if isinstance(planned, Refusal):
            refused[planned.table] = planned.reason
            continue
        if planned.outcome is Outcome.COMPUTES_ANEW:
            replays.add(planned.table)
        changed[planned.table] = tuple(Changed(c.what, c.before or None, c.after or None) for c in planned.changes)
    return QueryPlans(frozenset(replays), refused, changed)


def _only_spark_knows(settings: Settings, contract: Contract) -> bool:
    """Whether a query might be refused. Plain ingestion goes on over any change but that of its topic."""
    if contract.resolved_engine is not Engine.SPARK:
        return False
    if contract.transform is not None:
        return True
    noted = noted_contracts(settings).get(contract.table, {}).get("source", {}).get("topic")
    return noted != contract.source.topic and Engine.SPARK in progress(settings, contract, [])
