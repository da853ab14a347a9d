"""A contract's durations as Spark takes them."""

from datetime import timedelta
from typing import Literal

from lakehouse.contracts.model import Contract


def interval(contract: Contract, name: Literal["window", "slide", "gap"]) -> str:
    """The duration ``name`` of the contract's transform; ValueError where the contract has none."""
    duration: timedelta | None = getattr(contract.transform, name, None)
    if duration is None:
        raise ValueError(f"{contract.table}: its function needs `transform.{name}`, as `5 minutes`")
    return f"{duration // timedelta(milliseconds=1)} milliseconds"
