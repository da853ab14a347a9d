"""Messages as events: JSON objects, or the reason why not. As strict as the parser of ingestion."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.sampling.sample import Sampled

_SHOWN_BYTES = 40


@dataclass(frozen=True)
class Event:
    """The fields of a message, with its key and when it came, in milliseconds."""

    fields: dict[str, Any]
    key: bytes | None
    timestamp: int | None


@dataclass(frozen=True)
class Refused:
    """A message that is no event, and why."""

    message: Sampled
    reason: str

    def __str__(self) -> str:
        begin = repr((self.message.value or b"")[:_SHOWN_BYTES])
        return f"partition {self.message.partition}, offset {self.message.offset}: {self.reason} ({begin})"


def read_events(messages: Sequence[Sampled]) -> tuple[list[Event], list[Refused]]:
    """The events among ``messages``, and the others."""
    events, refused = [], []
    for message in messages:
        try:
            events.append(Event(_fields(message.value), message.key, message.timestamp))
        except ValueError as error:
            refused.append(Refused(message, str(error)))
    return events, refused


def _fields(value: bytes | None) -> dict[str, Any]:
    """The fields of a JSON object. Raises ValueError saying what it is instead."""
    if not value:
        raise ValueError("no value" if value is None else "an empty value")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        # Confluent's wire format: a zero, then the number of a schema.
        hint = ": Avro or Protobuf with a schema registry, by its first byte" if value[0] == 0 else ""
        raise ValueError(f"no UTF-8{hint}") from None
    try:
        fields = json.loads(text, parse_constant=_no_json)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"a JSON {type(fields).__name__} and no object")
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair, which is no text") from None
    return fields


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
