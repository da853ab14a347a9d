"""The text of a contract, with comments that say what each line rests on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import yaml

from lakehouse.contracts.duration import format_duration
from lakehouse.sampling.infer import Inferred, InferredColumn
from lakehouse.sampling.sample import LATELY

_RETENTION = "30 days"


@dataclass(frozen=True)
class Draft:
    """What a contract says beyond its columns. ``events_per_second`` is None where it could not be measured."""

    table: str
    topic: str
    description: str
    owner: str
    freshness: timedelta
    events_per_second: float | None
    sampled: int
    refused: int
    on: date


def contract_text(draft: Draft, inferred: Inferred) -> str:
    """The YAML file."""
    return "\n".join(_lines(draft, inferred)) + "\n"


def _lines(draft: Draft, inferred: Inferred) -> Iterator[str]:
    yield "# yaml-language-server: $schema=contract.schema.json"
    yield f"# Drafted on {draft.on} by `lakehouse add {draft.topic}` from {draft.sampled:,} messages: look it over."
    if draft.refused:
        yield f"# {draft.refused:,} of these were no JSON objects: such go to quarantine, {draft.table}_rejected."
    yield f"table: {draft.table}"
    yield f"description: {_scalar(draft.description)}"
    yield f"owner: {_scalar(draft.owner)}"
    yield f"freshness: {format_duration(draft.freshness)}"
    yield "engine: auto  # By the rules: `lakehouse choose " + draft.table + "` tells why."
    if draft.events_per_second is not None:
        yield "workload:"
        measured = f"# The mean of the last {format_duration(LATELY)}."
        yield f"  events_per_second: {_rounded(draft.events_per_second)}  {measured}"
    yield "source:"
    yield f"  topic: {_scalar(draft.topic)}"
    yield "columns:"
    for column in inferred.columns:
        yield from _column(column, inferred)
    for name, reason in inferred.left_out.items():
        yield f"  # {json.dumps(name)} is left out, and stays in the topic alone: {reason}"
    yield "event_time:"
    yield f"  column: {_scalar(inferred.event_time)}  # {inferred.event_time_why}"
    if inferred.keys:
        yield f"keys: [{', '.join(map(_scalar, inferred.keys))}]  # {inferred.keys_why}"
    else:
        yield f"# keys: {inferred.keys_why}"
    yield "on_invalid: quarantine"
    yield f"retention: {_RETENTION}  # Not inferred: how long readers may have to look back."


def _column(column: InferredColumn, inferred: Inferred) -> Iterator[str]:
    everywhere = (
        "every event" if column.present == inferred.events else f"{column.present:,} of {inferred.events:,} events"
    )
    values = "1 value" if column.distinct == 1 else f"{column.distinct:,} different values"
    yield f"  - name: {_scalar(column.name)}  # in {everywhere}, {values}"
    yield f"    type: {column.type}"
    if column.odd:
        yield f"    # {column.odd:,} of the values are no {column.type}: their events go to quarantine."
    if column.required:
        yield "    required: true"
    if column.personal:
        yield "    pii: true  # by its name"


def _scalar(text: str) -> str:
    """``text`` as YAML that reads back as that very text."""
    try:
        plain = yaml.safe_load(f"[{text}]") == [text] and yaml.safe_load(f"at: {text}") == {"at": text}
    except yaml.YAMLError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def _rounded(rate: float) -> str:
    """Three digits of ``rate``: it is a measurement of a moment."""
    digits = f"{rate:.3g}"
    return f"{float(digits):.0f}" if float(digits) >= 100 else digits
