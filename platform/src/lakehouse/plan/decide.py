"""Which steps lead from what there is to what a contract wants. Nothing is read or changed here."""

from collections.abc import Iterator, Mapping

from lakehouse.contracts import Contract, Engine, declared_tables
from lakehouse.contracts.tables import DeclaredTable
from lakehouse.plan.fields import changed_fields
from lakehouse.plan.found import Found, Stack
from lakehouse.plan.refuse import refusals
from lakehouse.plan.steps import (
    AddColumns,
    Changed,
    CreateTable,
    CreateTopic,
    End,
    Move,
    NextStart,
    Position,
    Refuse,
    Replay,
    Restart,
    SetProperties,
    Start,
    Step,
)


def decide(contract: Contract, found: Found, stack: Stack) -> tuple[Step, ...]:
    """The steps for ``contract``, in the order in which they are safe. Refusals stand alone: nothing is half done."""
    if refused := tuple(Refuse(contract.table, reason) for reason in refusals(contract, found)):
        return refused
    steps: list[Step] = [CreateTopic(contract.table, contract.source.topic)] if found.topic_missing else []
    for wanted in declared_tables(contract):
        steps += _table(contract, wanted, found)
    return (*steps, *_writer(contract, found, stack))


def _table(contract: Contract, wanted: DeclaredTable, found: Found) -> Iterator[Step]:
    there = found.tables[wanted.name]
    if there is None:
        yield CreateTable(contract.table, wanted.name, len(wanted.columns))
        return
    alteration = there.comparison.alteration
    if alteration.columns:
        added = {column.name: str(column.type.type) for column in alteration.columns}
        yield AddColumns(contract.table, wanted.name, added)
    if alteration.properties:
        yield SetProperties(contract.table, wanted.name, alteration.properties)


def _writer(contract: Contract, found: Found, stack: Stack) -> Iterator[Step]:
    engine = contract.resolved_engine
    others = sorted(found.progress - {engine})
    writer = found.writers.get(engine)
    fields = _changed(contract, found.noted.get(others[0] if others else engine)) or found.checkpoint
    # An engine that was left out on purpose stays out for tables that it had before.
    now = stack.runs and bool(others or engine in stack.engines or not found.progress)
    if others:
        at = None if found.replays else position(contract, found)
        yield Move(contract.table, others[0], engine, fields, at)
    if found.replays:
        yield _replay(contract, found, () if others else fields, now=now)
    elif others or found.stopped:
        return
    elif writer is not None:
        if not writer.current:
            yield Restart(contract.table, engine, fields)
    elif now:
        yield Start(contract.table, engine, None if found.progress else position(contract, found))
    elif fields:
        yield NextStart(contract.table, engine, fields)


def position(contract: Contract, found: Found) -> Position:
    """Where a writer without a checkpoint begins."""
    topic, following = found.topic, found.following if contract.transform is None else {}
    waiting = None
    if topic is not None:
        first = {**topic.beginning, **following}
        if not following and contract.source.starting_offsets == "latest":
            first = dict(topic.end)
        waiting = sum(max(end - first.get(partition, 0), 0) for partition, end in topic.end.items())
    return Position(contract.source.topic, dict(sorted(following.items())), waiting)


def _replay(contract: Contract, found: Found, fields: tuple[Changed, ...], *, now: bool) -> Replay:
    table, topic = found.tables[contract.table], found.topic
    return Replay(
        contract.table,
        contract.generation,
        table.rows if table else 0,
        topic.complete_from if topic else None,
        table.newest if table else None,
        sum(end - topic.beginning.get(p, 0) for p, end in topic.end.items()) if topic else None,
        fields,
        now,
    )


def _changed(contract: Contract, before: Mapping[str, object] | None) -> tuple[Changed, ...]:
    return () if before is None else changed_fields(before, contract.writer_fields())


def carried(steps: tuple[Step, ...], running: frozenset[str]) -> tuple[str, ...]:
    """Of the tables whose queries are ``running`` in one Spark application those that only restart along with it."""
    concerned = {step.table for step in steps if _restarts_spark(step)}
    return tuple(sorted(running - concerned)) if concerned else ()


def _restarts_spark(step: Step) -> bool:
    ends = step.engine if isinstance(step, End) else step.before if isinstance(step, Move) else None
    return step.changes and Engine.SPARK in (step.runs, ends)
