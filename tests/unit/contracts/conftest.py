"""Contracts as files: the smallest valid one, and ways to spoil it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import ContractError, load_contract

SMALLEST = """\
table: raw.visits
description: One visit
owner: team:web
freshness: 1 minute
retention: 30 days
source:
  topic: visits
columns:
  - name: visit_id
    type: string
    required: true
  - name: at
    type: timestamp
    required: true
  - name: seconds
    type: int
event_time:
  column: at
keys: [visit_id]
"""


def line_of(text: str, part: str) -> int:
    """The line, counted from 1, in which ``part`` first stands."""
    return text[: text.index(part)].count("\n") + 1


@pytest.fixture
def smallest() -> str:
    """The text of a valid contract with as few keys as possible."""
    return SMALLEST


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a contract's text (default: the smallest) to a file of the test's directory."""

    def write(text: str | bytes = SMALLEST, name: str = "visits.yaml") -> Path:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.fixture
def refused(write: Callable[..., Path]) -> Callable[..., list[str]]:
    """The problems of the smallest contract in which ``old`` is replaced by ``new``, as `line: field: message`.

    Checks of each that it begins with the file, and that its line is the one in which ``at`` (default: the first line
    of ``new``) stands.
    """

    def refused(old: str, new: str, at: str | None = None) -> list[str]:
        assert SMALLEST.count(old) == 1, f"{old!r} does not stand exactly once in the contract"
        text = SMALLEST.replace(old, new)
        file = write(text)
        with pytest.raises(ContractError) as error:
            load_contract(file)
        expected = line_of(text, at if at is not None else new.strip().splitlines()[0])
        lines = str(error.value).splitlines()
        for line in lines:
            assert line.startswith(f"{file}:{expected}: "), f"expected line {expected} in: {line}"
        return [line.removeprefix(f"{file}:{expected}: ") for line in lines]

    return refused
