"""Puts a plan together: what each contract wants, and what runs although no contract wants it any more."""

from collections.abc import Iterator, Sequence
from itertools import chain

from lakehouse.contracts import Contract, Engine
from lakehouse.plan.decide import carried, decide
from lakehouse.plan.found import Stack
from lakehouse.plan.look import Look
from lakehouse.plan.steps import End, Plan, Step


def make_plan(
    look: Look, contracts: Sequence[Contract], stack: Stack, *, interrupted: bool = False, only: str | None = None
) -> Plan:
    """The plan for ``contracts``, which are all there are; with ``only`` a table, the steps of that one alone."""
    jobs = look.jobs()
    steps: list[Step] = []
    for contract in contracts:
        if only not in (None, contract.table):
            continue
        steps += decide(contract, look.found(contract, jobs), stack)
    declared = {contract.table for contract in contracts}
    running = frozenset(look.working())
    ended = _ended(declared, {job.name for job in jobs}, running) if only is None else ()
    steps += [End(table, engine, look.rows(table)) for table, engine in ended]
    ordered = tuple(sorted(steps, key=lambda step: step.table))
    return Plan(ordered, carried(ordered, running), interrupted)


def _ended(declared: set[str], jobs: set[str], queries: frozenset[str]) -> Iterator[tuple[str, Engine]]:
    return chain(
        ((table, Engine.FLINK) for table in sorted(jobs - declared)),
        ((table, Engine.SPARK) for table in sorted(queries - declared)),
    )
