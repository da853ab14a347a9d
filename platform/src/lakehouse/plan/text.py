"""A plan as a person reads it, and as a script does."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from lakehouse.plan.steps import (
    AddColumns,
    Changed,
    CreateTable,
    CreateTopic,
    End,
    Move,
    NextStart,
    Plan,
    Position,
    Refuse,
    Replay,
    Restart,
    SetProperties,
    Start,
    Step,
)

_INDENT = " " * 6


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain values."""
    steps = [
        {"table": step.table, "step": step.kind, "destructive": step.destructive, **_fields(step)}
        for step in plan.steps
    ]
    return {
        "changes": plan.changes,
        "refused": bool(plan.refused),
        "interrupted": plan.interrupted,
        "unread": plan.unread,
        "steps": steps,
        "carried": list(plan.carried),
    }


def lines(plan: Plan) -> Iterator[str]:
    """The plan as lines, a paragraph a table: + what comes, ~ what changes, ± what is replaced, - what ends."""
    for table, steps in groupby(plan.steps, key=lambda step: step.table):
        yield table
        for step in steps:
            mark, first, *rest = _SHOWN[type(step)](step)
            yield f"  {mark} {first}"
            yield from (_INDENT + line for line in rest)
        yield ""
    if plan.carried:
        yield f"Spark's queries restart together. These go on where they stopped: {', '.join(plan.carried)}"
        yield ""
    if plan.interrupted:
        yield "An apply before this one was interrupted, and what it stopped is to be started."
    yield _summary(plan)


def _summary(plan: Plan) -> str:
    if plan.refused:
        tables = dict.fromkeys(step.table for step in plan.refused)
        return f"Refused: {', '.join(tables)}. Nothing can be applied before that is mended."
    counts = {
        "to create": (CreateTopic, CreateTable),
        "to alter": (AddColumns, SetProperties),
        "to start": (Start,),
        "to restart": (Restart,),
        "to move": (Move,),
        "to replay": (Replay,),
        "to end": (End,),
    }
    doing = [step for step in plan.steps if step.changes]
    told = [f"{n} {what}" for what, kinds in counts.items() if (n := sum(isinstance(step, kinds) for step in doing))]
    if told:
        return f"Plan: {', '.join(told)}."
    if plan.interrupted:
        return "Plan: to start it."
    if plan.unread:
        return "Plan: Dagster and the exporter read the contracts anew; no writer is concerned."
    return f"Nothing to do{': everything is as the contracts want it' if not plan.steps else ' before that'}."


def _create_topic(step: CreateTopic) -> Iterator[str]:
    yield from ("+", f"create topic {step.topic}")


def _create_table(step: CreateTable) -> Iterator[str]:
    yield from ("+", f"create table {step.name}, {step.columns} columns")


def _add_columns(step: AddColumns) -> Iterator[str]:
    yield from ("~", f"alter table {step.name}")
    yield from (f"column {name}: {kind}, empty in the rows there are" for name, kind in step.columns.items())


def _set_properties(step: SetProperties) -> Iterator[str]:
    yield from ("~", f"alter table {step.name}")
    yield from (f"{name} = {value}" for name, value in step.properties.items())


def _start(step: Start) -> Iterator[str]:
    yield from ("+", f"start under {step.engine.value.capitalize()}")
    yield from _position(step.at) if step.at else ("goes on from its checkpoint",)


def _restart(step: Restart) -> Iterator[str]:
    yield from ("~", f"restart in place under {step.engine.value.capitalize()}, from its checkpoint")
    yield from _changed(step.fields) if step.fields else ("its code or settings have changed",)


def _move(step: Move) -> Iterator[str]:
    before, after = step.before.value.capitalize(), step.after.value.capitalize()
    yield from ("~", f"move from {before} to {after}")
    yield from _changed(step.fields)
    if step.at:
        yield f"{before} stops after its last commit, {after} begins behind it; as the table is now:"
        yield from _position(step.at)


def _replay(step: Replay) -> Iterator[str]:
    when = "" if step.now else " at the next start"
    yield from ("±", f"compute anew{when}, generation {step.generation}: a new checkpoint")
    yield from _changed(step.fields)
    newest = f", the newest of {_time(step.newest)}" if step.newest else ""
    which = f"those since {_time(step.since)}" if step.since else "all"
    yield f"replaces rows: {which} of {step.rows:,}{newest}"
    yield f"reads again {'what the source holds' if step.events is None else f'{step.events:,} events'}"


def _end(step: End) -> Iterator[str]:
    yield from ("-", f"end its writer under {step.engine.value.capitalize()}: no contract declares the table")
    yield "the table stays" + ("" if step.rows is None else f", with {step.rows:,} rows")


def _next_start(step: NextStart) -> Iterator[str]:
    yield from (" ", f"counts from the next start under {step.engine.value.capitalize()}")
    yield from _changed(step.fields)


def _refuse(step: Refuse) -> Iterator[str]:
    first, *rest = step.reason.splitlines()
    yield from ("!", f"REFUSED: {first}", *rest)


_SHOWN: Mapping[type[Step], Callable[[Any], Iterator[str]]] = {
    CreateTopic: _create_topic,
    CreateTable: _create_table,
    AddColumns: _add_columns,
    SetProperties: _set_properties,
    Start: _start,
    Restart: _restart,
    Move: _move,
    Replay: _replay,
    End: _end,
    NextStart: _next_start,
    Refuse: _refuse,
}


def _position(at: Position) -> Iterator[str]:
    where = ", ".join(f"[{partition}] at {offset:,}" for partition, offset in at.offsets.items())
    waiting = "" if at.waiting is None else f"; {at.waiting:,} events wait there"
    yield f"topic {at.topic} {where or 'from where the contract says'}{waiting}"


def _changed(fields: tuple[Changed, ...]) -> Iterator[str]:
    for change in fields:
        if change.before is None or change.after is None:
            yield f"{change.field}: {'new' if change.before is None else 'no longer'}, {change.after or change.before}"
        else:
            yield f"{change.field}: {change.before} → {change.after}"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _fields(step: Step) -> dict[str, Any]:
    values = asdict(step)
    del values["table"]
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
