"""The function behind a contract: found, called, and held against the contract's columns."""

import importlib
import inspect
from collections.abc import Callable

from pyspark.sql import DataFrame

from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError

TransformFunction = Callable[[DataFrame, Contract], DataFrame]


class TransformError(LakehouseError):
    """The contract's function is not there, or does not make the contract's columns."""


def load_function(contract: Contract) -> TransformFunction:
    """The function that ``contract`` names. Raises TransformError, naming the functions that there are."""
    transform = contract.transform
    if transform is None or transform.function is None:
        raise TransformError(f"{contract.table}: its contract names no function in `transform.function`")
    module_name, name = transform.function.split(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise TransformError(
            f"{contract.table}: `transform.function` names the module {module_name!r}, which does not import: {error}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in inspect.getmembers(module, inspect.isfunction) if value.__module__ == module_name]
        listed = ", ".join(key for key in own if not key.startswith("_")) or "none"
        raise TransformError(f"{contract.table}: module {module_name} has no function {name!r}. Functions: {listed}")
    found: TransformFunction = function
    return found


def transformed(events: DataFrame, contract: Contract) -> DataFrame:
    """What the contract's function makes of ``events``: the contract's columns, in their order.

    The events carry the contract's watermark. Raises TransformError when a column is missing or of another type.
    """
    watermark, time = contract.event_time.watermark, contract.source.event_time
    if watermark is not None and time is not None:
        events = events.withWatermark(time, f"{watermark.total_seconds():.3f} seconds")
    rows = load_function(contract)(events, contract)
    found = dict(rows.dtypes)
    expected = {column.name: str(column.type) for column in contract.columns}
    wrong = [
        f"{name}: expected {kind}, got {found.get(name, 'no such column')}"
        for name, kind in expected.items()
        if found.get(name) != kind
    ]
    if wrong:
        listed = "\n".join(f"  {line}" for line in wrong)
        raise TransformError(
            f"{contract.table}: `transform.function` does not make the contract's columns:\n{listed}\n"
            "Correct the function, or `columns` in the contract."
        )
    return rows.select(list(expected))
