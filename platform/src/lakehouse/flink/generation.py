"""Generations of a job: each has checkpoints of its own and a name of its own in the tables' transactions.

A new one begins without state. It is needed where the old state means something else than the job does now, and where
another engine has written the table since: a checkpoint of before would have it all written again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.contracts import Contract
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import Settings


class StateChangedError(LakehouseError):
    """The contract asks for something that the job's state was not made for."""


@dataclass(frozen=True)
class Generation:
    """``number`` counts from 1; ``state`` is what its state was made for, empty before its first submission."""

    number: int = 1
    state: Mapping[str, str] = field(default_factory=dict)

    @property
    def sink_uid(self) -> str:
        """The writer's name in the tables' transactions."""
        return "flink" if self.number == 1 else f"flink-{self.number}"


def read_generation(settings: Settings, table: str) -> Generation:
    """The present generation of the job of ``table``."""
    file = _file(settings, table)
    if not file.is_file():
        return Generation()
    told = json.loads(file.read_text(encoding="utf-8"))
    return Generation(told["number"], told["state"])


def begin_generation(settings: Settings, table: str) -> Generation:
    """The next generation, which the job's next submission belongs to."""
    following = Generation(read_generation(settings, table).number + 1)
    _write(settings, table, following)
    return following


def checked_generation(settings: Settings, contract: Contract) -> Generation:
    """The present generation, if its state is good for ``contract``. Raises StateChangedError naming what differs."""
    generation, wanted = read_generation(settings, contract.table), _state(contract)
    differing = [
        f"{name} was {generation.state[name]} and is {wanted[name]}"
        for name in wanted
        if generation.state.get(name, wanted[name]) != wanted[name]
    ]
    if differing:
        raise StateChangedError(
            f"the state of the job of {contract.table} was made for something else: {'; '.join(differing)}. Change the "
            f"contract back, or begin without state: {command(f'jobs start {contract.table} --anew')}"
        )
    return generation


def record_state(settings: Settings, contract: Contract, generation: Generation) -> None:
    """Notes what the state of ``generation`` is made for."""
    if generation.state != _state(contract):
        _write(settings, contract.table, Generation(generation.number, _state(contract)))


def _state(contract: Contract) -> dict[str, str]:
    """What decides what the state of a contract's job means, and what Flink itself does not compare."""
    transform = contract.transform
    return {
        "source.topic": contract.source.topic,
        "transform": (transform.job or transform.sql or "") if transform else "none",
        "transform.window": str(transform.window) if transform and transform.window else "none",
    }


def _write(settings: Settings, table: str, generation: Generation) -> None:
    file = _file(settings, table)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({"number": generation.number, "state": dict(generation.state)}), encoding="utf-8")
    temporary.rename(file)


def _file(settings: Settings, table: str) -> Path:
    return settings.state_dir / "flink" / "generations" / f"{table}.json"
