"""Durations as people write them: ``30 seconds``, ``5 min``, ``7 days``."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_NAMES = {
    "ms": "ms", "millisecond": "ms", "milliseconds": "ms",
    "s": "s", "sec": "s", "second": "s", "seconds": "s",
    "min": "min", "minute": "min", "minutes": "min",
    "h": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d",
}  # fmt: skip
_LONG = {"ms": "millisecond", "s": "second", "min": "minute", "h": "hour", "d": "day"}
_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)")
_EXPECTED = "a number and a unit (ms, s, min, h, d), as in '30 seconds', '5 min' or '7 days'"


def parse_duration(text: object) -> timedelta:
    """The timedelta that ``text`` names, in whole milliseconds; a timedelta stands for itself.

    Raises ValueError for anything else than a positive number with a known unit. A bare number is refused:
    nobody remembers whether it meant seconds or milliseconds.
    """
    if isinstance(text, timedelta):
        return text
    match = _PATTERN.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: expected {_EXPECTED}")
    amount, unit = match.groups()
    if unit.lower() not in _NAMES:
        raise ValueError(f"{text!r} has the unknown unit {unit!r}: expected {_EXPECTED}")
    milliseconds = round(Decimal(amount) * (_UNITS[_NAMES[unit.lower()]] // _UNITS["ms"]))
    if milliseconds < 1:
        raise ValueError(f"{text!r} is shorter than a millisecond: expected {_EXPECTED}")
    try:
        return timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than {timedelta.max.days} days: expected {_EXPECTED}") from None


def format_duration(duration: timedelta) -> str:
    """``duration`` in its largest whole unit: ``90 seconds``, ``1 minute``. parse_duration reads it back."""
    for unit in ("d", "h", "min", "s", "ms"):
        amount, rest = divmod(duration, _UNITS[unit])
        if amount and not rest:
            return f"{amount} {_LONG[unit]}{'' if amount == 1 else 's'}"
    raise ValueError(f"{duration!r} is not a whole number of milliseconds")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*[a-zA-Z]+$", "examples": ["1 minute", "7 days"]}),
]
