"""Fills into a contract what it takes from another one."""

from collections.abc import Mapping

from lakehouse.contracts.model import Contract
from lakehouse.contracts.part import MisplacedError


def resolve(contract: Contract, declared: Mapping[str, Contract]) -> Contract:
    """``contract`` with the fields of its events, taken from the contract that its source names.

    Raises MisplacedError when that contract is none of ``declared``, or declares something else than events, and for a
    column that would be derived from no field of them.
    """
    source = contract.source
    key = "columns_of" if source.table is None else "table"
    name = source.columns_of or source.table
    if name is None:
        _check_origins(contract)
        return contract
    location = ("source", key)
    if name not in declared:
        raise MisplacedError(location, f"no contract declares {name!r}. Declared: {', '.join(sorted(declared))}")
    events = declared[name]
    if source.table is None and events.transform is not None:
        raise MisplacedError(location, f"{name!r} has a transform: its columns are not the fields of events")
    if source.table is not None and events.transform is not None and not events.transform.appends:
        raise MisplacedError(location, f"{name!r} changes its rows: a stream reads tables that are only appended to")
    fields = {"columns": events.columns, "event_time": events.event_time.column}
    if source.table is not None:
        fields["topic"] = events.source.topic
    for field, value in fields.items():
        held = getattr(source, field)
        if held and held != value:
            raise MisplacedError(("source", field), f"comes from {name}, and is something else there: leave it out")
    resolved = contract.model_copy(update={"source": source.model_copy(update=fields)})
    _check_origins(resolved)
    return resolved


def _check_origins(contract: Contract) -> None:
    fields = [column.name for column in contract.source.columns]
    for position, column in enumerate(contract.columns):
        for origin in column.derived_from:
            if origin not in fields:
                text = f"{origin!r} is no field of the events. Fields: {', '.join(fields)}"
                raise MisplacedError(("columns", position, "derived_from"), text)
