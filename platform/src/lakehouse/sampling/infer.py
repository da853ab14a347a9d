"""Columns, event time and keys of a topic, inferred from its events. Each with the count that it rests on."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from lakehouse.contracts.columns import IDENTIFIER, RESERVED, ColumnType, fits
from lakehouse.contracts.duration import format_duration
from lakehouse.errors import LakehouseError
from lakehouse.sampling.events import Event

#: A topic holds broken messages, too. What so large a part of them says is taken for what they all should say.
_NEARLY_ALL = 0.98
#: The types of single values, the narrowest first.
_NARROWEST_FIRST = (
    *(ColumnType.BOOLEAN, ColumnType.BIGINT, ColumnType.DOUBLE),
    *(ColumnType.TIMESTAMP, ColumnType.DATE, ColumnType.STRING),
)
#: The types of columns, the narrowest first, with the types of values that they hold.
_HOLDS: dict[ColumnType, tuple[ColumnType, ...]] = {
    ColumnType.BOOLEAN: (ColumnType.BOOLEAN,),
    ColumnType.BIGINT: (ColumnType.BIGINT,),
    ColumnType.DOUBLE: (ColumnType.BIGINT, ColumnType.DOUBLE),
    ColumnType.TIMESTAMP: (ColumnType.TIMESTAMP,),
    ColumnType.DATE: (ColumnType.DATE,),
    ColumnType.STRING: (ColumnType.STRING, ColumnType.TIMESTAMP, ColumnType.DATE),
}
#: As many different values among the events make a column one that may tell them apart.
_DISTINCT = 0.5
_ID = re.compile(r"(.+_)?(id|uuid|key)")
_PERSONAL = re.compile(
    r"(.*_)?(e?mail|phone|mobile|first_name|last_name|full_name|surname|birth(day|_?date)|iban|ssn|ip|ip_address)"
)


class InferError(LakehouseError):
    """No contract can be made of these events."""


@dataclass(frozen=True)
class InferredColumn:
    """A column: in ``present`` events it has a value, ``odd`` of which are of another type; ``distinct`` differ."""

    name: str
    type: ColumnType
    required: bool
    present: int
    odd: int
    distinct: int
    personal: bool


@dataclass(frozen=True)
class Inferred:
    """What a contract needs to know; ``why`` of event time and keys, and ``left_out`` with the reason for each."""

    events: int
    columns: tuple[InferredColumn, ...]
    left_out: dict[str, str]
    event_time: str
    event_time_why: str
    keys: tuple[str, ...]
    keys_why: str


def infer(events: Sequence[Event]) -> Inferred:
    """The columns of ``events`` and what they are for. Raises InferError where nothing can be their time."""
    columns: list[InferredColumn] = []
    left_out: dict[str, str] = {}
    for name in _names(events):
        column = _column(name, [event.fields.get(name) for event in events])
        if isinstance(column, str):
            left_out[name] = column
        else:
            columns.append(column)
    time, why_time = _event_time(events, columns, left_out)
    # An event time is required of every event: the few that lack it go to quarantine.
    taken = tuple(replace(column, required=True) if column.name == time else column for column in columns)
    keys, why_keys = _keys(events, taken)
    return Inferred(len(events), taken, left_out, time, why_time, keys, why_keys)


def _names(events: Sequence[Event]) -> list[str]:
    """The fields of all events, in the order in which they first appear."""
    return list(dict.fromkeys(name for event in events for name in event.fields))


def _column(name: str, values: list[Any]) -> InferredColumn | str:
    """The column of a field, or why it is none. ``values`` are those of all events, None where there is none."""
    if re.fullmatch(IDENTIFIER, name) is None:
        return f"column names match {IDENTIFIER}"
    if name in RESERVED:
        return "the platform adds a column of that name"
    given = [value for value in values if value is not None]
    if not given:
        return "null in every message: its type does not show"
    kinds = Counter(map(_kind, given))
    column_type = _type(kinds)
    if column_type is None:
        found = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        return f"no one type: {found}"
    return InferredColumn(
        name,
        column_type,
        required=len(given) == len(values),
        present=len(given),
        odd=sum(not fits(value, column_type) for value in given),
        distinct=len(set(map(repr, given))),
        personal=_PERSONAL.fullmatch(name) is not None,
    )


def _kind(value: Any) -> str:
    """The narrowest type that holds ``value``, or what else it is."""
    if isinstance(value, dict | list):
        return "objects" if isinstance(value, dict) else "lists"
    return next((kind.value for kind in _NARROWEST_FIRST if fits(value, kind)), "numbers out of range")


def _type(kinds: Counter[str]) -> ColumnType | None:
    """The narrowest type that holds nearly all values."""
    enough = _NEARLY_ALL * kinds.total()
    return next((kind for kind, held in _HOLDS.items() if sum(kinds[name] for name in held) >= enough), None)


def _event_time(
    events: Sequence[Event], columns: Sequence[InferredColumn], left_out: dict[str, str]
) -> tuple[str, str]:
    """The timestamp in nearly every event that is nearest to when the broker took it, and how near that is."""
    enough = _NEARLY_ALL * len(events)
    candidates = [c for c in columns if c.type is ColumnType.TIMESTAMP and c.present - c.odd >= enough]
    if not candidates:
        raise InferError(_no_event_time(events, left_out))
    distances = {column.name: _distance(events, column.name) for column in candidates}
    # Of two equally near, as when the one is a copy of the other, the one that events are named by.
    known = {name: distance for name, distance in distances.items() if distance is not None}
    name = min(distances, key=lambda name: (known.get(name, timedelta.max), "event" not in name))
    distance, others = known.get(name), len(candidates) - 1
    near = "messages have no timestamp to compare with" if distance is None else f"{_told(distance)} from the message's"
    rivals = f"; nearer than {others} other{'' if others == 1 else 's'}" if others and distance is not None else ""
    return name, f"a timestamp in nearly every event, in the median {near}{rivals}"


def _distance(events: Sequence[Event], name: str) -> timedelta | None:
    distances = [
        abs(_moment(event.fields[name]).timestamp() - event.timestamp / 1000)
        for event in events
        if event.timestamp is not None and _is_timestamp(event.fields.get(name))
    ]
    return timedelta(seconds=median(distances)) if distances else None


def _no_event_time(events: Sequence[Event], left_out: dict[str, str]) -> str:
    seen = Counter(name for event in events for name, value in event.fields.items() if _is_timestamp(value))
    there = ", ".join(f"{name} (in {count:,} of {len(events):,})" for name, count in seen.most_common())
    refused = "".join(f"\n  {name}: {left_out[name]}" for name in seen if name in left_out)
    return (
        "no field can be the event time: expected one that nearly every event has, ISO 8601 with seconds, as "
        f"'2026-01-01T10:11:12Z'. Fields with such values: {there or 'none'}{refused}\n"
        "Have the producers send one. Numbers, as milliseconds since 1970, are not read as time."
    )


def _keys(events: Sequence[Event], columns: Sequence[InferredColumn]) -> tuple[tuple[str, ...], str]:
    """The columns that tell what an event is about, and how sure that is."""
    keyed = [event for event in events if event.key is not None]
    for column in columns:
        equal = sum(_text(event.fields.get(column.name)) == event.key for event in keyed)
        if keyed and equal >= _NEARLY_ALL * len(events):
            return (column.name,), f"sure: the message key equals it in {equal:,} of {len(events):,} events"
    named = [column for column in columns if column.required and _ID.fullmatch(column.name)]
    if named:
        best = max(named, key=lambda column: column.distinct)
        if best.distinct >= _DISTINCT * len(events):
            seen = f"{best.distinct:,} different values in {len(events):,} events"
            return (best.name,), f"a guess by its name: {seen}"
    return (), "no message key equals a column, and no *_id has many values: name what an event is about, if anything"


def _text(value: Any) -> bytes | None:
    """``value`` as a producer would write it into a key."""
    return str(value).encode() if isinstance(value, str | int) and not isinstance(value, bool) else None


def _is_timestamp(value: Any) -> bool:
    return isinstance(value, str) and fits(value, ColumnType.TIMESTAMP)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(distance: timedelta) -> str:
    """``distance`` as people would say it, in one unit."""
    units = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    unit = next((unit for unit in units if distance >= 2 * unit), timedelta(milliseconds=1))
    return format_duration(max(unit, round(distance / unit) * unit))
