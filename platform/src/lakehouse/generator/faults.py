"""Malformed messages: every way in which a value can break the contract of `raw.orders`, each with a name."""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any


class MalformedKind(StrEnum):
    """What is wrong with a malformed message."""

    BAD_JSON = "bad_json"
    TRUNCATED_JSON = "truncated_json"
    JSON_ARRAY = "json_array"
    JSON_SCALAR = "json_scalar"
    NOT_UTF8 = "not_utf8"
    EMPTY_VALUE = "empty_value"
    NULL_VALUE = "null_value"
    MISSING_FIELD = "missing_field"
    NULL_FIELD = "null_field"
    WRONG_TYPE = "wrong_type"
    NEGATIVE_AMOUNT = "negative_amount"
    AMOUNT_OVERFLOW = "amount_overflow"
    BAD_TIMESTAMP = "bad_timestamp"


#: Fields that the contract requires.
REQUIRED = ("order_id", "customer_id", "amount_cents", "event_time")
_WRONG_AMOUNTS = ("twelve", [1250], {"value": 1250}, True, 12.5)
_BAD_TIMES = ("yesterday", "2026-13-45T10:00:00.000Z", "2026-01-01T25:61:00.000Z", "")
_SCALARS = (b"42", b'"an order"', b"true", b"null")

Corruption = Callable[[bytes, int], bytes | None]


def corrupt(kind: MalformedKind, value: bytes, variant: int) -> bytes | None:
    """A malformed version of the valid JSON ``value``; ``variant`` (0, 1, …) chooses among those of ``kind``.

    None is a Kafka tombstone.
    """
    return _CORRUPTIONS[kind](value, variant)


def _edited(change: Callable[[dict[str, Any], int], object]) -> Corruption:
    def apply(value: bytes, variant: int) -> bytes:
        event: dict[str, Any] = json.loads(value)
        change(event, variant)
        return json.dumps(event, separators=(",", ":")).encode()

    return apply


def _set(field: str, choices: tuple[Any, ...]) -> Corruption:
    return _edited(lambda event, variant: event.update({field: choices[variant % len(choices)]}))


_CORRUPTIONS: dict[MalformedKind, Corruption] = {
    MalformedKind.BAD_JSON: lambda value, _: value.replace(b'":', b'"=', 1),
    MalformedKind.TRUNCATED_JSON: lambda value, variant: value[: 1 + variant * 37 % (len(value) - 1)],
    MalformedKind.JSON_ARRAY: lambda value, _: b"[" + value + b"]",
    MalformedKind.JSON_SCALAR: lambda _, variant: _SCALARS[variant % len(_SCALARS)],
    MalformedKind.NOT_UTF8: lambda value, _: value.replace(b'"c-', b'"\xff\xfe-', 1),
    MalformedKind.EMPTY_VALUE: lambda _value, _variant: b"",
    MalformedKind.NULL_VALUE: lambda _value, _variant: None,
    MalformedKind.MISSING_FIELD: _edited(lambda event, variant: event.pop(REQUIRED[variant % len(REQUIRED)])),
    MalformedKind.NULL_FIELD: _edited(lambda event, variant: event.update({REQUIRED[variant % len(REQUIRED)]: None})),
    MalformedKind.WRONG_TYPE: _set("amount_cents", _WRONG_AMOUNTS),
    MalformedKind.NEGATIVE_AMOUNT: _set("amount_cents", (-1, -1250)),
    MalformedKind.AMOUNT_OVERFLOW: _set("amount_cents", (2**63, 10**30)),
    MalformedKind.BAD_TIMESTAMP: _set("event_time", _BAD_TIMES),
}
